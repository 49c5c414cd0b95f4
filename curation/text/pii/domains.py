"""Top-level domains that an address may end in: all country codes and the generic ones that are in use.

``this@Activity.finish`` and ``name@2x.png`` are told from addresses by their endings. Source: the root zone
as IANA lists it; of the hundreds of new generic domains only those with many registrations.
"""

from __future__ import annotations

_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz "
    "ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk "
    "fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir "
    "is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk "
    "ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl "
    "pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc "
    "td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_GENERIC = (
    "com net org edu gov mil int info biz name pro aero asia cat coop jobs mobi museum post tel travel xxx "
    "academy accountants agency app art associates attorney auction audio band bank bar beauty beer best bet bike "
    "bio black blog blue boutique broker build builders business buzz cab cafe cam camera camp capital cards care "
    "careers casa cash casino catering center charity chat church city cleaning click clinic cloud club coach "
    "codes coffee community company computer construction consulting contractors cooking cool credit cyou dance "
    "date dating deals delivery dental design dev digital direct directory doctor dog domains download earth "
    "education email energy engineer engineering enterprises equipment estate events exchange expert express "
    "family fan fans farm fashion film finance financial fish fit fitness flights florist football foundation "
    "fun fund fyi gallery game games garden gift gives glass global gmbh gold golf google gratis green group "
    "guide guru haus health healthcare help holdings holiday homes horse hospital host hosting hotel house how "
    "icu immo industries ink institute insure international investments jewelry kim kitchen land law lawyer "
    "legal lgbt life lighting limited limo link live llc loan lol london ltd luxury management market marketing "
    "mba media memorial men moe money moscow movie navy network news ngo ninja nyc observer one ong online ooo "
    "page paris partners parts party pet pharmacy photo photography photos pics pictures pink pizza place plus "
    "porn press productions promo properties property pub quest racing recipes red rehab reise rent rentals "
    "repair report republican rest restaurant review reviews rip rocks run sale salon samsung school science "
    "seoul services sexy shoes shop shopping show singles site ski skin soccer social software solar solutions "
    "space store stream studio style supply support surf surgery swiss systems tattoo tax taxi team tech "
    "technology tennis tips today tokyo tools top tours town toys trade training tube university uno vacations "
    "ventures vet video villas vin vip vision vote voyage wang watch webcam website wedding wiki win wine work "
    "works world wtf xyz yoga zone"
)
# RFC 2606: addresses under these are made up, but stand for real ones in made-up text.
_STAND_INS = "example test invalid"

TOP_LEVEL = frozenset(f"{_COUNTRIES} {_GENERIC} {_STAND_INS}".split())

# RFC 2606: names kept for documentation. An address there is nobody's, and stays.
RESERVED = frozenset({"example.com", "example.net", "example.org"})

# Where most Korean readers have their mail: here even "gildong @ naver.com" is certain.
_PROVIDERS = (
    "naver.com gmail.com hanmail.net daum.net nate.com kakao.com hotmail.com outlook.com yahoo.com "
    "yahoo.co.kr yahoo.co.uk hotmail.co.kr hotmail.co.uk icloud.com me.com live.com live.co.kr msn.com "
    "aol.com protonmail.com proton.me empas.com empal.com lycos.co.kr korea.com paran.com freechal.com "
    "dreamwiz.com chol.com hanmir.com googlemail.com"
)
PROVIDERS = frozenset(_PROVIDERS.split())
