"""Boilerplate of English pages, as data. How each table is used: see :mod:`hanji.curation.text.lines.rules`."""

from __future__ import annotations

from hanji.curation.text.lines.rules import DATE_EN, MAIL, RuleTable, Sentence

CERTAIN = {
    "nav": """
        skip to content|skip to main content|skip to the content|skip to navigation|skip navigation
        skip to search|skip to footer|skip to primary navigation|skip to secondary content|skip to article
        jump to navigation|jump to content|jump to search|back to top|return to top|go to top|scroll to top
        toggle navigation|toggle menu|toggle search|open menu|close menu|main menu|open navigation menu
        you are here|show navigation|hide navigation|search this site|search for
    """,
    "account": """
        log in / register|log in or register|login or sign up|sign in or register|log in or sign up
        forgot your password|forgot password|forgot username|create an account|create account
        don't have an account|don’t have an account|already have an account|already a member|already a subscriber
        log in to comment|log in to reply|sign in to comment|register to comment|login to post comments
        log in or register to post comments
    """,
    "share": """
        share this|share this article|share this story|share this post|share this page|share this video
        share this entry|share this with|share article|share post|share on|share via|share by email|share via email
        share on facebook|share on twitter|share on x|share on linkedin|share on pinterest|share on reddit
        share on whatsapp|share on telegram|share on tumblr|share on google|share on email|share to facebook
        share to twitter|share with facebook|share with twitter|share via facebook|share via twitter
        share via shortlink|tweet this|tweet about this on twitter|click to tweet|pin it|pin this|pin on pinterest
        post to facebook|post on facebook|post on twitter|email this|email this article|email to a friend
        email a friend|email this to a friend|send by email|print this|print this article|print this page
        print article|copy link|copy url|copy link to clipboard|link copied|save this article|save for later
        click to share on facebook|click to share on twitter|click to share on linkedin|click to share
        follow us|follow us on|follow us on facebook|follow us on twitter|follow us on instagram|follow on twitter
        follow on facebook|follow us on social media|like us on facebook|like this|like loading|stay connected
        connect with us|find us on facebook|join us on facebook
        (opens in new window)|opens in new window|opens in a new window|opens in new tab
    """,
    "comments": """
        leave a comment|leave a reply|leave comment|leave your comment|post a comment|post comment
        post your comment|post comments|add a comment|add comment|add your comment|write a comment
        submit comment|submit a comment|cancel reply|click here to cancel reply|view comments|view all comments
        show comments|hide comments|load comments|loading comments|load more comments|comments are closed
        comments closed|comments off|no comments|no comments yet|no comment|be the first to comment
        be the first to leave a comment|join the conversation|join the discussion|comment on this article
        comment on this story|comment on this post|comment on this|want to join the discussion
        feel free to contribute|readers' comments|reader comments|recent comments|report abuse
        report this comment|reply to this|reply to this comment|click here to comment
        please login to comment|please log in to comment|trackbacks are closed|comments rss|comment guidelines
    """,
    "more": """
        read more|read more on|read the full story|read the full article|read full article|read full story
        read the rest of this entry|continue reading|continue reading below|keep reading|show more|see more
        load more|view more|view all|show all|see all|learn more|more info|click here|click here for more
        load more posts|load more stories|view full article|view more articles|see more stories|story continues
        story continues below|article continues below|story continues below advertisement
        article continues below advertisement|continue reading the main story|continue reading the story
    """,
    "related": """
        related articles|related article|related posts|related post|related stories|related story|related news
        related content|related coverage|related reading|related topics|related links|related items
        related videos|related products|related tags
        recommended articles|recommended posts|recommended stories|recommended for you|recommended reading
        recommended videos|recommended content|recommended by|popular posts|popular articles|popular stories
        popular now|popular on|popular tags|recent posts|recent articles|recent stories|recent news|latest posts
        latest articles|latest stories|latest news|latest videos|our latest stories|more stories|more articles
        more posts|more news|more related stories|more from this author|more by this author|more from author
        more on this story|more on this topic|more like this|similar posts|similar articles|similar stories
        trending now|trending stories|trending articles|trending posts|trending videos|most popular|most read
        most viewed|most commented|most shared|most recent|top stories|top news|editor's picks|editors' picks
        editor’s picks|editors’ picks|featured posts|featured articles|featured stories|you may also like
        you might also like|you may also be interested in|you might also be interested in|you may like
        you might like|also on|see also on|up next|read next|read this next|what to read next|don't miss
        don’t miss|must read|must reads|around the web|from around the web|from the web|promoted stories
        promoted content|promoted links|older posts|newer posts|older post|newer post|previous post|next post
        previous article|next article|previous story|next story|previous entry|next entry|previous entries
        older entries|newer entries|older stories|newer stories|blog archive|view more posts
        you may have missed|in case you missed it|other stories you may like|also see|more headlines
    """,
    "newsletter": """
        sign up for our newsletter|sign up for our newsletters|sign up for the newsletter|sign up to our newsletter
        sign up for newsletter|sign up for newsletters|subscribe to our newsletter|subscribe to our newsletters
        subscribe to the newsletter|subscribe to newsletter|subscribe now|subscribe today|subscribe here
        subscribe for free|subscribe via email|subscribe by email|subscribe to our mailing list
        join our mailing list|join our newsletter|get our newsletter|get the newsletter|newsletter sign up
        newsletter signup|newsletter subscription|email newsletter|email newsletters|free newsletter
        daily newsletter|weekly newsletter|sign up now|sign up today|sign up here|sign up for free
        sign up for email updates|sign up for updates|get email updates|become a member|become a subscriber
        subscribe to rss|subscribe to rss feed|rss feed|subscribe to this blog|follow this blog|email alerts
        enter your email|enter your email address|your email address|thanks for subscribing
        thank you for subscribing|you have been successfully subscribed|subscribe to: post comments (atom)
        subscribe to: posts (atom)|already subscribed|manage subscription|unsubscribe here
    """,
    "ads": """
        advertisement - continue reading below|advertisement continue reading below|sponsored links
        sponsored content|sponsored stories|sponsored post|sponsored features|paid content|paid advertisement
        advertisement - scroll to continue|advertisements|skip advertisement|report this ad|report an ad
        ads by google|ads by|buy a link now|this advertisement has not loaded yet
    """,
    "cookies": """
        accept cookies|accept all cookies|accept all|reject all|reject cookies|reject all cookies|allow cookies
        allow all cookies|decline cookies|manage cookies|manage cookie preferences|manage preferences
        cookie settings|cookie preferences|cookies settings|cookie consent|cookie notice|cookies policy
        cookie policy|privacy & cookies policy|privacy and cookies|cookie declaration|necessary cookies only
        strictly necessary cookies|customize settings|i accept|accept and close|accept & close|got it!
    """,
    "terms": """
        privacy policy|privacy notice|privacy statement|terms of use|terms of service|terms and conditions
        terms & conditions|terms of sale|legal notice|legal disclaimer|disclaimer|user agreement
        community guidelines|code of conduct & privacy|do not sell my personal information|do not sell my info
        do not sell or share my personal information|your privacy choices|your california privacy rights
        california privacy rights|accessibility statement|advertise with us|advertise|ad choices|adchoices
        about our ads|contact us|about us|about this site|site map|sitemap|media kit|press room|customer service
        customer support|help center|work with us|write for us|submit a tip|send us a tip
    """,
    "copyright": "all rights reserved|some rights reserved",
    "powered": "blog comments powered by disqus|powered by disqus|powered by wordpress|powered by blogger",
    "tags": "filed under|filed in|posted in|tagged with|tagged as|categorized under",
}

# Enough alone on a line without a mark; in a list only next to what is certain.
ALONE = {
    "account": "log in|log out|sign in|sign out|sign up|my account|register now",
    "share": "share|tweet|retweet|share tweet|tweet share|text size|font size|share email print",
    "newsletter": "subscribe",
    "ads": "advertisement|advertising|sponsored|promoted",
    "comments": "reply|report comment|flag as inappropriate",
}

# Enough with a number ("5 comments", "Shares: 258").
COUNTED = {
    "share": "shares|share|likes|like|views|retweets|tweets|reactions|claps|followers",
    "comments": "comments|comment|replies|reply|responses|readers' comments|pending comments|view comments"
    "|view all comments|show comments|there are comments",
}

# Two of them in a row, or one next to what is certain.
ROWS = {
    "share": """
        facebook|twitter|linkedin|linked in|reddit|pinterest|whatsapp|telegram|instagram|youtube|tumblr|rss|e-mail
        email|print|messenger|line|flipboard|google+|pocket|threads|bluesky|mastodon|tiktok|via email|more options
        download pdf|save|like|shortlink|hacker news
    """,
    "comments": "comments|comment|flag|permalink|trackback|trackbacks|pingbacks|upvote|downvote|favorite",
    "tags": "tags|categories|category|topics|tag",
    "newsletter": "newsletter|newsletters|rss feeds",
    "nav": "next page|previous page|first page|last page|breadcrumb|breadcrumbs|page not found",
    "account": "cart|checkout|my cart|wishlist|log in / join|register|my profile|account",
    "terms": "privacy|terms|imprint|careers|jobs|press|faq|faqs|help|feedback|support|accessibility|legal|cookies",
}

# Three in a row, or next to what is certain.
MENU = {
    "nav": """
        home|menu|search|about|contact|blog|news|shop|store|products|services|events|gallery|archive|archives|login
        sports|business|politics|opinion|entertainment|lifestyle|technology|tech|world|health|science|video|videos
        photos|podcasts|weather|local|travel|education|features|reviews|community|forums|forum|resources|pricing
        docs|documentation|download|downloads|portfolio|team|index|prev|previous|next|up|top|close|back
    """,
}

_SITE = r"(?:we|(?:this|our|the) (?:web ?)?site|[a-z0-9.-]+\.(?:com|org|net|co\.uk|io))"
SENTENCES = (
    Sentence(
        "copyright",
        ("copyright", "©", "(c)", "ⓒ"),
        r"(?:[^\n©]{0,40}(?:©|ⓒ)|(?:content |website )?copyrights?[ :]*+(?:©|\(c\)|ⓒ|(?:19|20)\d\d|by )|\(c\) ?+(?:19|20)\d\d)"
        r"(?![^\n]{0,200}(?:\bpermission is hereby granted|licensed under the (?:apache|mit|gnu|bsd)))[^\n]{0,220}",
        longest=260,
    ),
    Sentence(
        "copyright",
        ("rights reserved",),
        r"(?:\d{4}[^\n]{0,60}|[^\n]{0,80}), ?+all rights reserved\.?|(?:©|copyright|\d{4})[^\n]{0,100}all rights reserved[^\n]{0,80}",
    ),
    Sentence(
        "copyright",
        ("may not be published", "may not be reproduced"),
        r"[^\n]{0,60}\b(?:this material|material on this (?:web)?site|content|no part of this (?:web)?site) may not be "
        r"(?:published|reproduced|broadcast|copied)[^\n]{0,200}",
        longest=300,
    ),
    Sentence(
        "cookies",
        ("cookie",),
        rf"(?:please note[: ]*+)?{_SITE} (?:also )?(?:and our partners )?(?:may )?uses? (?:our own |third[- ]party )?(?:and third[- ]party )?"
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
        r"(?:please )?(?:subscribe|sign[- ]?up|register|join)\b[^\n.!?]{0,40}\b(?:newsletters?|mailing list|email updates)\b[^\n.!?]{0,80}[.!]?"
        r"|(?:sign up|subscribe)[:! ][^\n]{0,80}\b(?:sign up|subscribe)\b[^\n]{0,30}\bnewsletters?\b[^\n]{0,30}"
        r"|click here to (?:subscribe|sign up)\b[^\n.!?]{0,60}[.!]?"
        r"|(?:get|receive|have)\b[^\n.!?]{0,100}\b(?:(?:delivered|sent|straight|directly|right)\b[^\n.!?]{0,30}|in |to )your inbox\b[^\n.!?]{0,60}[.!]?"
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
        r"your e-?mail address will not be (?:published|shared)[^\n]{0,80}|required fields are marked[^\n]{0,10}"
        r"|this site uses akismet[^\n]{0,100}|learn how your comment data is processed\.?"
        r"|save my name,? e-?mail[^\n]{0,100}|you are commenting using your[^\n]{0,60}"
        r"|(?:please |sorry, ?+)?(?:you must |you need to |you have to )?(?:be )?(?:log(?:ged)?|sign(?:ed)?)[ -]in (?:to |using one of these methods to |with )[^\n]{0,40}\b(?:comments?|reply)\b[^\n]{0,40}"
        r"|in order to post a comment[^\n]{0,160}|notify me of (?:new |follow-?up )[^\n]{0,60}"
        r"|(?:sorry, ?+)?(?:the )?comments (?:are closed|for this (?:entry|post|article) are)[^\n]{0,60}"
        r"|please enable javascript to view the comments[^\n]{0,60}|(?:blog )?comments powered by[^\n]{0,30}",
        longest=220,
    ),
    Sentence(
        "posted",
        ("posted", "published", "last updated", "updated", "first posted"),
        rf"(?:first )?(?:posted|published|submitted|written|last updated|updated|last modified)(?: by [^\n.!?]{{1,50}}?)?(?: (?:on|at|in)|:)? ?+{DATE_EN}(?:(?: at|,| -| \||)? ?+\d{{1,2}}[:.]\d{{2}}[^\n.!?]{{0,40}})?(?: (?:by|in|under|\|) ?[^\n.!?]{{0,60}})?\.?"
        r"|(?:posted|published|submitted) by [^\n.!?,]{1,40} (?:on|at|in|\|)(?: [^\n.!?]{0,40})?|posted by at",
        longest=140,
    ),
    Sentence(
        "tags",
        ("filed under", "tags:", "tagged", "posted in", "categories:", "category:", "filed in", "labels:"),
        r"(?:(?:this (?:entry|post|article) was )?(?:filed under|filed in|posted in|tagged(?: with| as)?|file under)|tags|categories|category|labels)"
        r" ?:? ?(?:[^\n.!?,|]{1,30}(?:[,|] ?|$)){0,16}(?:\| (?:permalink|leave a comment|\d+ comments?)[^\n]{0,60})?",
        longest=240,
    ),
    Sentence(
        "powered",
        ("powered by", "hosted by", "theme by", "designed by"),
        r"(?:proudly |site |website |blog |theme |design(?:ed)? )*+(?:powered|hosted|designed|theme|built|created) by [^\n.!?]{1,50}[.!]?",
        longest=80,
    ),
    Sentence(
        "more",
        ("read more", "click here", "continue reading", "read the full"),
        r"(?:>> ?|» ?)?(?:read more|continue reading|read the full (?:story|article))(?: (?:about|on|from|at|in|of)\b|:| [“\"‘'→»>])[^\n.!?]{0,110}[.…»›→>\"”]?"
        r"|(?:right[- ])?click here (?:to|for) (?:read|see|view|visit|download|subscribe|learn|get|more)[^\n.!?]{0,70}[.!]?"
        r"|read (?:all )?\d+ comments?[^\n]{0,30}",
        longest=140,
    ),
    Sentence(
        "share",
        ("follow", "like this story", "on twitter", "on facebook", "share "),
        r"follow (?:us|me|@?[\w .]{2,30}) on (?:facebook|twitter|instagram|linkedin|x|youtube|social media)\b[^\n.!?]{0,60}[.!]?"
        r"|like (?:this|what)[^\n.!?]{0,30}\? ?+(?:share|follow|subscribe)[^\n.!?]{0,50}[.!]?"
        r"|share (?:this )?(?:on |via |to |with )?(?:facebook|twitter|linkedin|reddit|whatsapp|email)[^\n.!?]{0,40}",
        longest=140,
    ),
    Sentence(
        "ads",
        ("affiliate", "commission"),
        r"[^\n.!?]{1,40} (?:may|might|will) (?:earn|receive|get) an? (?:small )?(?:affiliate )?commission\b[^\n.!?]{0,120}[.!]?"
        r"|this (?:post|article|page|site) (?:may )?contains? affiliate links\b[^\n]{0,120}",
        longest=240,
    ),
)

# At the end of a paragraph, after the end of a sentence.
TAILS = (
    (
        "more",
        ("read more", "continue reading", "read the full"),
        r"[\[(]?(?:read more|continue reading|read the full (?:story|article))(?: here)?[\])]?[ .…»›→>]*+",
    ),
    (
        "copyright",
        ("©", "copyright", "ⓒ"),
        r"(?:copyright ?+)?(?:©|ⓒ) ?+(?:copyright ?+)?[^\n.©]{0,60}[.,]? ?+(?:all rights reserved|no reproduction)[^\n]{0,60}|copyright (?:19|20)\d\d[^\n.]{0,50}\.? ?+all rights reserved[^\n]{0,40}",
    ),
    ("share", ("click to tweet",), r"click to tweet"),
    ("byline", ("@",), rf"(?:e-?mail|contact)(?: [\w .]{{2,30}})?(?: at|:) ?+{MAIL}\.?"),
)

TABLE = RuleTable(CERTAIN, ALONE, COUNTED, ROWS, MENU, SENTENCES, (), TAILS)
