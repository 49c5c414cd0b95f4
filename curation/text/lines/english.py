"""Boilerplate of English pages, as data. How each table is used: see :mod:`hanji.curation.text.lines.rules`."""

from __future__ import annotations

from hanji.curation.text.lines.rules import DATE_EN, RuleTable, Sentence, Stretch

_SITE = r"(?:we|(?:this|our|the) (?:web ?)?site|[a-z0-9.-]+\.(?:com|org|net|co\.uk|io))"
SENTENCES = (
    Sentence("nav", ("\nhome",), r"home(?: ?+[>»›] ?[^\n>»›.!?]{1,40}){1,6}", longest=140),
    Sentence(
        "copyright",
        ("copyright", "©", "(c)", "ⓒ"),
        r"(?:website |content |text |images? |entire contents )?(?:(?:copyrights? ?+)?(?:©|ⓒ|\(c\)"
        r"|&copy;)|copyrights? ?+:?)(?: ?+copyright)?"
        r"(?: ?+(?:(?:19|20)\d\d|by [a-z])(?=[^a-z0-9]|[a-z])[^\n<]{0,220}| [^\n.!?<]{2,50}\.?"
        r"|[^\n<]{0,80}rights reserved[^\n<]{0,80})"
        r"|[^\n©.!?<]{1,50} (?:©|ⓒ|\(c\)) ?+(?:(?:19|20)\d\d)[^\n<]{0,160}"
        r"|[^\n©.!?<]{1,50} ?+(?:©|ⓒ|\(c\))[^\n<]{0,100}rights reserved[^\n<]{0,60}",
        longest=260,
    ),
    Sentence(
        "copyright",
        ("rights reserved",),
        r"(?:\d{4}[^\n]{0,60}|[^\n]{0,80}), ?+all rights reserved\.?|(?:©|copyright"
        r"|\d{4})[^\n]{0,100}all rights reserved[^\n]{0,80}",
    ),
    Sentence(
        "copyright",
        ("may not be published", "may not be reproduced"),
        r"[^\n]{0,60}\b(?:this material|material on this (?:web)?site|content|no part of this "
        r"(?:web)?site) may not be "
        r"(?:published|reproduced|broadcast|copied)[^\n]{0,200}",
        longest=300,
    ),
    Sentence(
        "cookies",
        ("cookie",),
        rf"(?:please note[: ]*+)?{_SITE} (?:also )?(?:and our partners )?(?:may )?uses? (?:our own "
        r"|third[- ]party )?(?:and third[- ]party )?"
        r"(?:essential |necessary )?(?:browser )?cookies\b[^\n]{0,280}"
        r"|by (?:continuing|using|clicking|choosing|browsing|visiting|closing)\b[^\n]{0,160}"
        r"\b(?:you (?:agree|consent|accept|are agreeing)|consent)\b[^\n]{0,80}\bcookies?\b[^\n]{0,120}"
        r"|[^\n]{0,120}\bif you continue (?:using|to use|browsing)\b[^\n]{0,160}\bcookies?\b[^\n]{0,120}"
        r"|(?:read|see|view) our (?:privacy|cookie)[^\n]{0,30}cookie polic[^\n]{0,80}"
        r"|cookies? (?:help us (?:deliver|provide)|are used on this)[^\n]{0,160}",
        longest=340,
    ),
    Sentence(
        "newsletter",
        ("newsletter", "inbox", "mailing list", "email updates"),
        r"(?:please )?(?:subscribe|sign[- ]?up|register|join)\b[^\n.!?]{0,40}\b(?:newsletters?"
        r"|mailing list|email updates)\b[^\n.!?]{0,80}[.!]?"
        r"|(?:sign up|subscribe)[:! ][^\n]{0,80}\b(?:sign up"
        r"|subscribe)\b[^\n]{0,30}\bnewsletters?\b[^\n]{0,30}"
        r"|click here to (?:subscribe|sign up)\b[^\n.!?]{0,60}[.!]?"
        r"|(?:get|receive|have)\b[^\n.!?]{0,100}\b(?:(?:delivered|sent|straight|directly"
        r"|right)\b[^\n.!?]{0,30}|in |to )your inbox\b[^\n.!?]{0,60}[.!]?"
        r"|[^\n.!?]{0,30}\bnewsletter\b[^\n.!?]{0,40}\bin your inbox\b[^\n.!?]{0,30}[.!]?",
        longest=200,
    ),
    Sentence(
        "comments",
        (
            "your email address will not",
            "akismet",
            "required fields are marked",
            "logged in",
            "log in using",
            "to post a comment",
            "for the next time i comment",
            "you are commenting using",
            "comments on this",
            "notify me of",
            "comments are closed",
            "comment data is processed",
            "disqus",
            "posting a comment",
            "signed in",
            "comments powered by",
        ),
        r"your e-?mail address will not be (?:published|shared)[^\n]{0,80}"
        r"|required fields are marked[^\n]{0,10}"
        r"|this site uses akismet[^\n]{0,100}|learn how your comment data is processed\.?"
        r"|save my name,? e-?mail[^\n]{0,100}|you are commenting using your[^\n]{0,60}"
        r"|(?:please |sorry, ?+)?(?:you must |you need to |you have to )?(?:be )?(?:log(?:ged)?|sign"
        r"(?:ed)?)[ -]in (?:to |using one of these methods to |with )[^\n]{0,40}\b(?:comments?"
        r"|reply)\b[^\n]{0,40}"
        r"|in order to post a comment[^\n]{0,160}|notify me of (?:new |follow-?up )[^\n]{0,60}"
        r"|(?:sorry, ?+)?(?:the )?comments (?:are closed|for this (?:entry|post|article) are)[^\n]{0,60}"
        r"|please enable javascript to view the comments[^\n]{0,60}|(?:blog )?comments powered by[^\n]{0,30}",
        longest=220,
    ),
    Sentence(
        "posted",
        (
            "posted by",
            "posted on",
            "posted at",
            "posted:",
            "\nposted",
            "published on",
            "published by",
            "published:",
            "\npublished",
            "updated:",
            "last updated",
            "\nupdated",
            "last modified",
            "submitted by",
            "\nwritten",
        ),
        r"(?:first )?(?:posted|published|submitted|written|last updated|updated|last modified)"
        rf"(?: by [^\n.!?]{{1,50}}?)?(?: (?:on|at|in)|:)? ?+{DATE_EN}(?:(?: at|,| -| \|"
        rf"|)? ?+\d{{1,2}}[:.]\d{{2}}[^\n.!?]{{0,40}})?(?: (?:by|in|under|\|) ?[^\n.!?]{{0,60}})?\.?"
        r"|(?:posted|published|submitted) by [^\n.!?,]{1,40} (?:on|at|in|\|)(?: [^\n.!?]{0,40})?"
        r"|posted by at",
        longest=140,
    ),
    Sentence(
        "tags",
        ("filed under", "tags:", "tagged", "posted in", "categories:", "category:", "filed in"),
        r"(?:(?:this (?:entry|post|article) was )?(?:filed under|filed in|posted in|tagged(?: with"
        r"| as)?|file under)|tags|categories|category)"
        r" ?:? ?(?:[^\n.!?,|]{1,30}(?:[,|] ?|$)){1,16}(?:\| (?:permalink|leave a comment"
        r"|\d+ comments?)[^\n]{0,60})?",
        longest=240,
    ),
    Sentence(
        "powered",
        ("powered by", "hosted by", "theme by", "designed by"),
        r"(?:proudly |site |website |blog |theme |design(?:ed)? )*+(?:powered|hosted|designed|theme"
        r"|built|created) by [^\n.!?]{1,50}(?:[.!|] ?(?:theme|design|hosted|powered"
        r"|built)[^\n.!?]{1,50}){0,2}[.!]?",
        longest=80,
    ),
    Sentence(
        "more",
        ("read more", "click here", "continue reading", "read the full"),
        r"(?:>> ?|» ?)?(?:read more|continue reading|read the full (?:story|article))(?: (?:about|on"
        r"|from|at|in|of)\b|:| [“\"‘'→»>])[^\n.!?]{0,110}[.…»›→>\"”]?"
        r"|(?:right[- ])?click here (?:to|for) (?:read|see|view|visit|download|subscribe|learn|get"
        r"|more)[^\n.!?]{0,70}[.!]?"
        r"|read (?:all )?\d+ comments?[^\n]{0,30}",
        longest=140,
    ),
    Sentence(
        "share",
        ("\nfollow", "follow us", "like this story", "\nshare", "\nlike"),
        r"follow (?:us|me|@?[\w .]{2,30}) on (?:facebook|twitter|instagram|linkedin|x|youtube"
        r"|social media)\b[^\n.!?]{0,60}[.!]?"
        r"|like (?:this|what)[^\n.!?]{0,30}\? ?+(?:share|follow|subscribe)[^\n.!?]{0,50}[.!]?"
        r"|share (?:this )?(?:on |via |to |with )?(?:facebook|twitter|linkedin|reddit|whatsapp"
        r"|email)[^\n.!?]{0,40}",
        longest=140,
    ),
    Sentence(
        "ads",
        ("affiliate", "commission"),
        r"[^\n.!?]{1,40} (?:may|might|will) (?:earn|receive|get) an? (?:small )?"
        r"(?:affiliate )?commission\b[^\n.!?]{0,120}[.!]?"
        r"|this (?:post|article|page|site) (?:may )?contains? affiliate links\b[^\n]{0,120}",
        longest=240,
    ),
)

STRETCHES = (
    Stretch(
        "tail",
        "more",
        ("read more", "continue reading", "read the full"),
        r"[\[(]?(?:read more|continue reading|read the full (?:story|article))(?: here)?[\])]?[ .…»›→>]*+",
    ),
    Stretch(
        "tail",
        "copyright",
        ("©", "copyright", "ⓒ"),
        r"(?:copyright ?+)?(?:©|ⓒ) ?+(?:copyright ?+)?[^\n.©]{0,60}[.,]? ?+(?:all rights reserved"
        r"|no reproduction)[^\n]{0,60}|copyright (?:19"
        r"|20)\d\d[^\n.]{0,50}\.? ?+all rights reserved[^\n]{0,40}",
    ),
    Stretch("tail", "share", ("click to tweet",), r"click to tweet"),
)

TABLE = RuleTable("english.txt", SENTENCES, STRETCHES)
