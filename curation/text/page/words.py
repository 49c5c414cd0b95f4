"""What names say: HTML's elements by what they are, and the words of classes and ids by what they hint at.

Names are compared by a 64-bit FNV-1a hash over lower-cased letters, in small open-addressing tables that the
kernels read as constants. The idea of judging containers by the words of their class and id is Readability's
(Arc90; mozilla/readability) and trafilatura's (Barbaresi 2021); the lists are ours, English and Korean.
"""

from __future__ import annotations

from itertools import product

import numpy as np

# What an element is. Several may hold.
BLOCK = 1 << 0
VOID = 1 << 1
RAW = 1 << 2
"""Its text is serialised without escapes."""
DROP = 1 << 3
"""Never text: scripts, forms' controls, embedded pages."""
HEADING = 1 << 4
LIST = 1 << 5
ITEM = 1 << 6
CELL = 1 << 7
ROW = 1 << 8
QUOTE = 1 << 9
ASIDE = 1 << 10
"""Navigation and what stands beside the content, by its element."""
PREFORMATTED = 1 << 11
SECTION = 1 << 12
"""May hold the content: a container."""
PARAGRAPH = 1 << 13

_KINDS = {
    BLOCK: "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav ol p plaintext "
    "pre section summary table caption tbody td tfoot th thead tr ul xmp head title optgroup option search",
    VOID: "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr",
    RAW: "script style xmp iframe noembed noframes plaintext",
    DROP: "script style template iframe noembed noframes select option textarea input button canvas audio "
    "video object embed head map datalist svg applet frameset meter progress dialog",
    HEADING: "h1 h2 h3 h4 h5 h6",
    LIST: "ul ol menu dir",
    ITEM: "li dd dt",
    CELL: "td th",
    ROW: "tr",
    QUOTE: "blockquote",
    ASIDE: "nav aside footer menu search",
    PREFORMATTED: "pre listing xmp plaintext",
    SECTION: "html body main article section div td center form fieldset details span blockquote table tbody tr "
    "dd ul ol li dl figure header hgroup font p",
    PARAGRAPH: "p blockquote",
}
_INLINE = (
    "a abbr b code em font i img br span strong small sub sup time u s q cite label noscript math annotation "
    "annotation-xml semantics figcaption ruby rt rp rb kbd samp var tt wbr ins del mark picture mjx-container "
    "mjx-assistive-mml mjx-math mi mo mn ms mtext colgroup col"
)
NAMES: tuple[str, ...] = tuple(
    sorted({name for names in (*_KINDS.values(), _INLINE) for name in names.split()})
)
"""Elements that are told apart; an element's id is its position here + 2. Id 0 is text, 1 any other element."""

TEXT, OTHER = 0, 1
TAG = {name: place + 2 for place, name in enumerate(NAMES)}


def fnv(word: str) -> int:
    """FNV-1a, 64 bits, of the UTF-8 of a word, never 0."""
    value = 0xCBF29CE484222325
    for byte in word.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value or 1


def table(entries: dict[str, int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Open addressing: keys uint64[size] (0 = free) and values int32[size]; size is a power of two."""
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for word, value in entries.items():
        code = fnv(word)
        place = (code ^ (code >> 29)) & (size - 1)
        while keys[place] and int(keys[place]) != code:
            place = (place + 1) & (size - 1)
        keys[place] = code
        values[place] |= value
    return keys, values


def _kinds() -> np.ndarray:
    kinds = np.zeros(len(NAMES) + 2, np.int32)
    for kind, names in _KINDS.items():
        for name in names.split():
            kinds[TAG[name]] |= kind
    return kinds


KIND = _kinds()
TAG_KEYS, TAG_VALUES = table(TAG, 512)

# What an element's attributes hint at.
BODY = 1 << 0
"""Named as the body of an article: itemprop=articleBody, entry-content, 본문."""
GOOD = 1 << 1
BAD = 1 << 2
"""Named as boilerplate: menus, sharing, related links, advertising, subscription."""
COMMENT = 1 << 3
"""Readers' comments."""
HIDDEN = 1 << 4
META = 1 << 5
"""Beside the text of an article: byline, date, tags, counts."""
GUTTER = 1 << 6
"""Line numbers of code, if there are only digits in it."""
TEX = 1 << 7
DISPLAY = 1 << 8
RENDERED = 1 << 9
"""A formula drawn by KaTeX or MathJax, which stands beside its source."""
CODE = 1 << 10
ANCHOR = 1 << 11
"""A heading's link to itself, a copy button."""
CAPTION = 1 << 12
MAIN = 1 << 13
LINK = 1 << 14
ARIA = 1 << 15
SUBJECT = 1 << 16
PART = 1 << 17
NEGATION = 1 << 18
PREFIX = 1 << 19
"""The word counts at the start of a longer one too (relatedposts, commentlist)."""
RAWTEXT = 1 << 20
IMAGE_TEX = 1 << 21
TOC = 1 << 22

_SUBJECTS = (
    "article post entry story news blog board doc document page detail read topic thread question answer"
)
_PARTS = "content contents body text txt cont copy main maincontent inner desc"

_HINTS: list[tuple[int, str]] = [
    (SUBJECT, _SUBJECTS),
    (PART, _PARTS),
    (NEGATION, "no has with without is not hide show enable disable"),
    (
        BODY,
        "articlebody articletext articlecontent postbody postcontent postentry entrycontent "
        "entrybody storybody storycontent storytext newsbody bodytext maintext maincontent "
        "contentbody bodycontent textcontent articleview articleviewcontent newsview boardview "
        "tttarticle tttcontent contentsstyle areaview sebodytext semaincontainer postview "
        "postviewarea articlecontents markdownbody mwparseroutput mwcontenttext 본문 richtext prose "
        "rsttext pagecontent singlecontent themainbody bodycopy articlecopy storycopy "
        "documentcontent xecontent rdbody fieldnamebody readcontent",
    ),
    (
        GOOD,
        "article post entry story content contents body text main blog hentry markdown prose column 기사 글",
    ),
    (
        BAD | PREFIX,
        "breadcrumb sidebar footer related recommend recommended newsletter subscribe "
        "subscription pagination copyright advert sponsor sharing shareba sharebu sharethis "
        "addthis addtoany socials sociall socialm socialb sociali socials jpsharing jprelated "
        "outbrain taboola disclaimer popular cookie readmore morenews mostread mostpop trending "
        "navigation navbar skiplink utility dropdown colophon masthead paywall modal adblock "
        "tooltip popup relates promotion mailing blogroll 관련 추천 공유 광고 댓글",
    ),
    (
        BAD,
        "nav navi gnb lnb snb sns menu share shares social promo promos ad ads adv adsbygoogle "
        "adsense dfp banner banners sponsored rail pager paging pagenavi postnav prevnext "
        "nextprev nextpost prevpost siblings signup login signin register overlay rightbar "
        "leftbar sidebars rightcol rightcolumn sidecol sidecolumn gdpr consent widget widgets "
        "plugin search searchform searchbox toolbar tools tool topbar metabar bookmark print rss "
        "feedback rating ratings vote votes report donate donation authorbio authorbox "
        "aboutauthor authorinfo bio profile ranking rank hot best latest recent teaser teasers "
        "carousel slider slideshow gallerythumbs thumbnails also alsolike seealso readnext upnext "
        "next prev previous moretopics morefrom morestories ticker marquee skip offscreen "
        "screenreader visuallyhidden sronly noprint printonly navbox catlinks editsection "
        "mweditsection siteheader sitefooter globalheader globalfooter pageheader topmenu "
        "quickmenu familysite reply replies respond like likes follow followus reporter "
        "journalist 메뉴 배너 검색 로그인",
    ),
    (COMMENT | PREFIX, "comment disqus livere utterances giscus 댓글"),
    (COMMENT, "respond reply replies replylist cmt reactions"),
    (
        META,
        "byline author authors dateline timestamp pubdate publish published date meta postmeta "
        "entrymeta articlemeta tags tag taglist tagcloud category categories posted postdate "
        "entrydate writer info articleinfo postinfo credit credits source updated modified views "
        "hits readtime readingtime kicker eyebrow cat label labels badge counter count 작성자 작성일 "
        "조회수 태그 기자",
    ),
    (
        GUTTER,
        "gutter lineno linenos linenumber linenumbers linenodiv hljslnnumbers hljslnn blobnum lnt "
        "lnnum rougegutter rougelineno jsfilelinenumber",
    ),
    (
        RENDERED,
        "katexhtml mathjax mathjaxdisplay mathjaxpreview mathjaxsvg mjxchtml mjxmath mathjaxsvgdisplay",
    ),
    (
        CODE,
        "highlight code sourcecode syntaxhighlighter codehilite prettyprint codeblock crayon "
        "prism hljs rouge",
    ),
    (
        ANCHOR,
        "headerlink headeranchor anchorlink headinganchor anchor permalink hashlink copybutton "
        "copybtn btncopy clipboard btnclipboard codecopy copycode copytoclipboard",
    ),
    (TOC, "toc tocbox tableofcontents toccontainer eztoc tocwrapper tocmacro postoc posttoc articletoc 목차"),
    (
        CAPTION,
        "caption captions wpcaptiontext figcaption imagecaption photocaption imgcaption "
        "captiontext cutline photo credit image",
    ),
    (IMAGE_TEX, "tex latex mwemathfallbackimageinline mwemathfallbackimagedisplay mathimage equation"),
]


def _hints() -> dict[str, int]:
    table: dict[str, int] = {}
    for hint, words in _HINTS:
        for word in words.split():
            table[word] = table.get(word, 0) | hint
    for subject, part in product(_SUBJECTS.split(), _PARTS.split()):
        table[subject + part] = table.get(subject + part, 0) | BODY
    return table


HINT_KEYS, HINT_VALUES = table(_hints(), 2048)

# Attributes that are read, by number.
ATTRIBUTES = (
    "class id role itemprop style hidden aria-hidden type encoding href alt alttext display title rel start"
)
ATTRIBUTE = {name: place + 1 for place, name in enumerate(ATTRIBUTES.split())}
ATTRIBUTE_KEYS, ATTRIBUTE_VALUES = table(ATTRIBUTE, 64)

_ROLES = {
    "navigation": BAD, "banner": BAD, "contentinfo": BAD, "complementary": BAD, "search": BAD, "dialog": BAD,
    "alertdialog": BAD, "menu": BAD, "menubar": BAD, "toolbar": BAD, "alert": BAD, "tablist": BAD,
    "main": MAIN, "article": GOOD, "button": ANCHOR,
}  # fmt: skip
ROLE_KEYS, ROLE_VALUES = table(_ROLES, 64)

_PROPERTIES = {
    "articlebody": BODY, "text": GOOD, "reviewbody": GOOD, "author": META, "datepublished": META,
    "datemodified": META, "publisher": META, "comment": COMMENT, "caption": CAPTION, "breadcrumb": BAD,
    "keywords": META,
}  # fmt: skip
PROPERTY_KEYS, PROPERTY_VALUES = table(_PROPERTIES, 64)
