"""Ten broad domains, detected by tool and by keywords: what the suite `domains` is balanced over and the heat map shows.

A source's own domain decides where it is one of those below (the thirty of data/embedded are); else the words in the names of the
called tools (of the offered ones where none is called), which count twice, and of their descriptions; else those of the request.
docs/suites.md says how often this finds the domain that the embedded set's authors gave.
"""

import re
from collections import Counter
from functools import lru_cache

from stages.schema import Example

OTHER = "other"  # no keyword found
# area -> (the sources' domains that are a part of it, keywords)
AREAS = {
    "weather": ("weather", "weather forecast temperature rain snow humidity wind storm climate pollen uv"),
    "travel": ("travel maps", "travel flight hotel train trip airport airline itinerary luggage visa passport map route directions navigate "
               "navigation traffic place nearby distance parking transit bus taxi ride rental cruise geocode coordinates address street"),
    "money": ("finance markets real_estate", "bank payment pay transfer card budget invoice tax loan mortgage interest currency exchange stocks "
              "shares portfolio crypto fund market ticker dividend savings money property rent estate listing landlord tenant viewing apartment"),
    "communication": ("communication social", "mail email message sms chat call phone contact voicemail inbox post tweet follow follower "
                      "comment like hashtag friend reply profile mute group"),
    "work": ("calendar tasks hr legal", "calendar meeting calendars task todo reminder timer alarm note project deadline employee leave "
             "payroll payslip recruit candidate interview job absence contract legal court clause permit applicant vacation timesheet lawyer case"),
    "shopping": ("ecommerce logistics restaurants recipes", "shop order product cart purchase buy shopping coupon discount parcel shipment "
                 "shipping delivery warehouse courier freight fleet vehicle restaurant menu dish recipe ingredient cook meal food cuisine "
                 "grocery pantry wishlist"),
    "leisure": ("music sports events", "music song playlist album artist podcast episode track game score team league player match tournament "
                "sport fixture movie film cinema concert ticket festival theatre theater venue seat video tv series training"),
    "health": ("health fitness", "health doctor patient medical medication medicine prescription symptom hospital clinic vaccine diet "
               "nutrition calories workout exercise fitness sleep heart blood weight gym coverage"),
    "technology": ("database files devops code_hosting security smart_home", "database query table row column sql index file folder document "
                   "upload download archive server service deploy container cluster log monitor repository branch commit pull issue build "
                   "pipeline workflow api password secret vault certificate token access permission audit backup device light thermostat lamp "
                   "sensor lock camera network software"),
    "knowledge": ("search education science", "news wikipedia encyclopedia article definition translate dictionary course grade student "
                  "quiz flashcard lesson exam assignment school university convert unit calculate equation geometry triangle circle "
                  "volume statistics mean median probability chemical molecule element physics planet star moon gene history country population "
                  "language web"),
}
_OWN = {domain: name for name, (domains, _) in AREAS.items() for domain in domains.split()}
_AREA_OF = {word: name for name, (_, words) in AREAS.items() for word in words.split()}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
LONGEST = 2000  # characters of a text that are looked at


def area(example: Example) -> str:
    """One of AREAS, or OTHER."""
    if (own := example.labels.get("domain")) in _OWN:
        return _OWN[own]
    called = {call.name for call in example.calls or []}
    tools = [tool for tool in example.tools if tool.name in called] or example.tools
    hits = Counter()
    for tool in tools:
        hits.update(_hits(f"{tool.name} {tool.name} {tool.description}"))
    hits = hits or _hits(f"{_schema_words(example)} {example.query()}")
    if hits:
        return max(AREAS, key=hits.__getitem__)  # of equal ones the first in the table
    return OTHER


def _schema_words(example: Example) -> str:
    """The title and description of a structured answer's schema."""
    return " ".join(str(example.schema.get(key) or "") for key in ("title", "description")) if example.schema else ""


@lru_cache(maxsize=65536)
def _hits(text: str) -> Counter:
    """area -> the number of its keywords in a text, in the singular or the plural."""
    words = [word.lower() for word in _WORD.findall(text[:LONGEST])]
    return Counter(_AREA_OF[key] for word in words if (key := word if word in _AREA_OF else word.removesuffix("s")) in _AREA_OF)
