"""The ten domains: found by a source's own word, by tool, by the request; what is found in the embedded set's tools is measured."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from stages.domains import AREAS, OTHER, area
from stages.schema import Call, Example, Tool
from stages.sources import embedded


def asked(text="please", tools=(), called=(), **more) -> Example:
    return Example("1", "t", [{"role": "user", "content": text}], [Tool(name, words, {}) for name, words in tools],
                   [Call(name, {}) for name in called] or None, **more)


@pytest.mark.parametrize("example,wanted", [
    (asked(labels={"domain": "weather"}, tools=[("book_flight", "")], called=["book_flight"]), "weather"),
    (asked(labels={"domain": "Weather/Forecast"}, tools=[("book_flight", "")], called=["book_flight"]), "travel"),
    (asked(tools=[("book_flight", ""), ("get_forecast", "")], called=["get_forecast"]), "weather"),
    (asked(tools=[("bookFlight", ""), ("FlightStatus.get", "Weather at an airport")]), "travel"),
    (asked(tools=[("do", "Plays a song from a playlist.")], called=["do"]), "leisure"),
    (asked("any e-mails from Ada?", tools=[("do", "")]), "communication"),
    (asked("hm", tools=[("do", "")]), OTHER),
    (asked("hm"), OTHER),
    (asked("hm", schema={"title": "Recipe", "description": ["no text"]}), "shopping"),
])
def test_where_a_domain_comes_from(example, wanted):
    assert area(example) == wanted


def test_there_are_ten_and_no_keyword_is_in_two():
    words = [word for _, words in AREAS.values() for word in words.split()]
    own = [word for own, _ in AREAS.values() for word in own.split()]
    assert len(AREAS) == 10 and len(set(words)) == len(words) and len(set(own)) == len(own) == 30


def test_detection_against_the_authors_own_domains():
    """docs/suites.md quotes this share; the keywords were chosen on these tools, so that it is no estimate for others."""
    agree = []
    for raw in list(embedded.read(SimpleNamespace(path="data/embedded")))[::7]:
        (example,) = embedded.convert(raw.value, SimpleNamespace(path="data/embedded"))
        if example.calls:
            agree.append(area(example) == area(replace(example, labels={})))
    assert 0.75 < sum(agree) / len(agree) < 0.85
