"use strict";
// The case browser. Everything from a model or a data set reaches the page as a text node, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("cases").textContent);
  const PAGE = 50; // options drawn at once: enough to scroll, few enough that a filter answers at once
  const base = data.subjects.indexOf("base");
  const $ = (id) => document.getElementById(id);
  const form = $("filters"), list = $("list");
  const state = { shown: [], page: 0, active: -1 }; // shown: places in data.cases; active: a place in shown

  const plain = (name) => name.replaceAll("_", " ").replaceAll(":", ": ");
  // By the suite's own verdict: exact match, or a benchmark's.
  const isRight = (one, place) => Boolean(one.subjects[place].right[data.verdicts[one.suite]]);
  const places = data.subjects.map((_, place) => place);
  const mark = (right) => (right ? "✓" : "✗");

  /** An element. properties: attributes, or text; children: elements and strings. */
  function make(name, properties, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) element.setAttribute(key, value);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  // ---- filters

  function fill(name, choices) {
    form.elements[name].replaceChildren(...choices.map(([value, label]) => make("option", { value }, label)));
  }

  const sorted = (values) => [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

  function fillFilters() {
    fill("suite", [["", "all"], ...data.suites.map((name, place) => [String(place), plain(name)])]);
    fill("subject", [["", "any"], ...data.subjects.map((name, place) => [String(place), name])]);
    fill("outcome", [["", "all"], ["+", "✓ right"], ["-", "✗ not right"], ...Object.keys(data.outcomes).map((name) => [name, plain(name)])]);
    fill("kind", [["", "all"], ...sorted(data.cases.map((one) => one.kind).filter(Boolean)).map((name) => [name, plain(name)])]);
    const called = sorted(data.cases.flatMap((one) => (one.gold || []).map((call) => call[0])));
    fill("tool", [["", "all"], ["=none", "(no call is right)"], ...called.map((name) => ["=" + name, name])]);
    const others = data.subjects.flatMap((name, place) => (place === base ? [] : [
      [place + "+", name + " better than base"], [place + "-", name + " worse than base"], [place + "=", name + " as base"]]));
    fill("compare", [["", "all"], ...others]);
    $("compare-label").hidden = base < 0 || data.subjects.length < 2;
  }

  /** All text of a case in lower case, made when it is first searched. */
  function textOf(one) {
    if (one.text === undefined) {
      one.text = [one.id, ...one.messages.flat(), ...one.tools.map((place) => data.tools[place].name), one.reply || "",
        ...(one.gold || []).flat(3), ...one.subjects.map((subject) => subject.raw)].join("\n").toLowerCase();
    }
    return one.text;
  }

  function outcomeFits(one, wanted) {
    return (wanted.subject === "" ? places : [Number(wanted.subject)]).some((place) => {
      if (wanted.outcome === "+" || wanted.outcome === "-") return isRight(one, place) === (wanted.outcome === "+");
      return one.subjects[place].outcome === wanted.outcome;
    });
  }

  function comparisonFits(one, compare) {
    const gain = isRight(one, parseInt(compare, 10)) - isRight(one, base);
    return { "+": gain > 0, "-": gain < 0, "=": gain === 0 }[compare.at(-1)];
  }

  function fits(one, wanted) {
    return (wanted.suite === "" || one.suite === Number(wanted.suite))
      && (wanted.outcome === "" || outcomeFits(one, wanted))
      && (wanted.kind === "" || one.kind === wanted.kind)
      && (wanted.tool === "" || (wanted.tool === "=none" ? !one.gold : (one.gold || []).some((call) => "=" + call[0] === wanted.tool)))
      && (wanted.compare === "" || comparisonFits(one, wanted.compare))
      && wanted.words.every((word) => textOf(one).includes(word));
  }

  function applyFilters() {
    const wanted = Object.fromEntries(["suite", "subject", "outcome", "kind", "tool", "compare"].map((name) => [name, form.elements[name].value]));
    wanted.words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const before = state.shown[state.active];
    state.shown = data.cases.flatMap((one, place) => (fits(one, wanted) ? [place] : []));
    select(Math.max(0, state.shown.indexOf(before)), true);
  }

  // ---- list

  function optionOf(place) {
    const one = data.cases[state.shown[place]];
    const asked = (one.messages.findLast((message) => message[0] === "user") || ["", ""])[1].slice(0, 200);
    const verdicts = places.map((s) => `${data.subjects[s]} ${isRight(one, s) ? "right" : "wrong"}, ${plain(one.subjects[s].outcome)}`).join(", ");
    const option = make("div", { role: "option", id: "option-" + place, class: "option", "aria-selected": String(place === state.active),
      "aria-posinset": place + 1, "aria-setsize": state.shown.length,
      "aria-label": `${asked}; ${plain(data.suites[one.suite])}; ${verdicts}` },
    make("span", { class: "ask", dir: "auto" }, asked),
    make("span", { class: "below" }, ...places.map((s) => make("span", { class: isRight(one, s) ? "yes" : "no" }, `${mark(isRight(one, s))} ${data.subjects[s]}`)),
      make("span", { class: "where" }, one.id)));
    option.addEventListener("click", () => select(place));
    return option;
  }

  function drawList() {
    const first = state.page * PAGE, total = state.shown.length, pages = Math.max(1, Math.ceil(total / PAGE));
    const last = Math.min(first + PAGE, total);
    list.replaceChildren(...Array.from({ length: last - first }, (_, offset) => optionOf(first + offset)));
    $("page").textContent = total ? `${first + 1} to ${last} of ${total}` : "";
    $("earlier").disabled = state.page === 0;
    $("later").disabled = state.page >= pages - 1;
    $("status").textContent = total ? `${total} of ${data.cases.length} cases` : `None of the ${data.cases.length} cases fits: loosen a filter.`;
  }

  /** Makes a place in the shown cases the active one; redraws the list when it lies on another page. */
  function select(place, redraw = false) {
    state.active = Math.min(place, state.shown.length - 1);
    const page = Math.max(0, Math.floor(state.active / PAGE));
    if (redraw || page !== state.page) {
      state.page = page;
      drawList();
    }
    for (const option of list.children) option.setAttribute("aria-selected", String(option.id === "option-" + state.active));
    const active = $("option-" + state.active);
    if (!active) {
      list.removeAttribute("aria-activedescendant");
      $("case").replaceChildren();
      return;
    }
    list.setAttribute("aria-activedescendant", active.id);
    // Not scrollIntoView: it would move the whole page as well.
    if (active.offsetTop < list.scrollTop) list.scrollTop = active.offsetTop;
    else if (active.offsetTop + active.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = active.offsetTop + active.offsetHeight - list.clientHeight;
    drawCase(data.cases[state.shown[state.active]]);
  }

  function moveWithKeys(event) {
    const last = state.shown.length - 1;
    const moves = { ArrowDown: state.active + 1, ArrowUp: state.active - 1, Home: 0, End: last, PageDown: state.active + 10, PageUp: state.active - 10 };
    if (event.key === "Enter" && last >= 0) $("case").focus();
    else if (event.key in moves && !event.ctrlKey && !event.metaKey && !event.altKey) select(Math.max(0, Math.min(last, moves[event.key])));
    else return;
    event.preventDefault();
  }

  // ---- one case

  function messageOf([role, said, calls]) {
    return make("div", { class: "message" }, make("span", { class: "role" }, role),
      said || !calls ? make("span", { class: "said", dir: "auto" }, said) : null,
      calls ? scrolled(calls, "calls of this turn") : null);
  }

  const scrolled = (text, label) => make("pre", { tabindex: "0", role: "region", "aria-label": label, dir: "auto" }, text);

  function indented(json) {
    try {
      return JSON.stringify(JSON.parse(json), null, 2);
    } catch {
      return json;
    }
  }

  function toolOf(tool, called) {
    const title = make("summary", {}, make("code", {}, tool.name), called ? make("b", {}, " gold") : null, " ", make("small", {}, tool.description));
    const fold = make("details", {}, title);
    fold.addEventListener("toggle", () => { // a schema is drawn when it is asked for
      if (fold.open && fold.children.length === 1) fold.append(scrolled(indented(tool.parameters), "parameters of " + tool.name));
    });
    return fold;
  }

  /** [same start, differing middle, same end] of a text against another one, by whole characters. */
  function differing(text, other) {
    const a = Array.from(text), b = Array.from(other);
    let start = 0, end = 0;
    while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
    while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
    return [a.slice(0, start).join(""), a.slice(start, a.length - end).join(""), end ? a.slice(-end).join("") : ""];
  }

  function marked(text, other) {
    const [start, middle, end] = differing(text, other);
    return [start, middle ? make("mark", {}, middle) : null, end];
  }

  const hint = (words) => make("span", { class: "hint" }, words);

  function goldCall([name, values]) {
    return make("div", { class: "call" }, make("b", {}, name), make("ul", {}, ...values.map(([key, value]) => make("li", { dir: "auto" }, `${key}: ${value}`))));
  }

  /** A call of a subject against the gold call that it was paired with, argument by argument. */
  function comparedCall([name, partner, values], one) {
    const gold = one.gold || [], wish = one.accepted ? "first accepted: " : "gold: ";
    const wanted = partner < 0 ? null : Object.fromEntries(gold[partner][1]);
    const lines = values.map(([key, value, status]) => {
      if (!wanted || status === "equal") return make("li", { dir: "auto" }, `${key}: ${value}`);
      if (status === "extra") return make("li", { class: "off", dir: "auto" }, `${key}: ${value}  `, hint("not in gold"));
      return make("li", { class: "off", dir: "auto" }, `${key}: `, ...marked(value, wanted[key]), "  ", hint(wish), ...marked(wanted[key], value));
    });
    const given = new Set(values.map(([key]) => key));
    const missing = wanted ? gold[partner][1].filter(([key]) => !given.has(key)) : [];
    lines.push(...missing.map(([key, value]) => make("li", { class: "off", dir: "auto" }, make("span", { class: "gone" }, `${key}: ${value}`), "  ", hint("missing"))));
    const title = wanted ? [make("b", {}, name)] : [make("b", { class: "off" }, name), "  ", hint(gold.length ? "no call of gold" : "no call is right here")];
    return make("div", { class: "call" }, ...title, make("ul", {}, ...lines));
  }

  function callsOf(subject, one) {
    const gold = one.gold || [];
    if (!subject.calls) return gold.length ? gold.map(goldCall) : [make("p", { class: "said-of" }, "none, as gold")];
    const found = subject.calls.map((call) => comparedCall(call, one));
    const paired = new Set(subject.calls.map((call) => call[1]));
    const missing = gold.filter((_, place) => !paired.has(place)).map(([name, values]) => make("div", { class: "call" },
      make("b", { class: "off gone" }, name), "  ", hint("missing: gold has this call"),
      make("ul", {}, ...values.map(([key, value]) => make("li", { class: "gone", dir: "auto" }, `${key}: ${value}`)))));
    return [...(found.length ? found : [make("p", { class: "said-of" }, "none could be read")]), ...missing];
  }

  function subjectOf(subject, place, one) {
    const right = isRight(one, place), name = data.subjects[place];
    // A benchmark may accept what is no exact match: then the outcome would contradict the mark.
    const word = right && data.verdicts[one.suite] ? "right by the benchmark" : plain(subject.outcome);
    const verdicts = ["strict", "schema", "bfcl"].map((score, index) => `${score} ${subject.right[index] === null ? "–" : mark(subject.right[index])}`).join(" · ");
    const notes = [data.outcomes[subject.outcome], ...(subject.defects || []).map((defect) => "defect: " + plain(defect)),
      subject.bfcl_error ? "bfcl: " + subject.bfcl_error : null].filter(Boolean).join("; ");
    const size = [subject.tokens === undefined ? null : subject.tokens + " tokens", subject.finish === "length" ? "cut at the limit" : subject.finish].filter(Boolean).join(", ");
    const block = make("section", { "aria-label": name },
      make("h3", {}, make("span", { class: "subject" }, make("span", { class: "swatch", "aria-hidden": "true" }), name),
        make("span", { class: right ? "yes" : "no" }, `${mark(right)} ${word}`), make("small", {}, verdicts)),
      make("p", { class: "said-of" }, notes),
      make("h4", {}, "Raw completion" + (size ? ` (${size})` : "")), subject.raw ? scrolled(subject.raw, "raw completion of " + name) : make("p", { class: "said-of" }, "empty"),
      make("h4", {}, "Parsed calls"), ...callsOf(subject, one));
    block.style.setProperty("--c", data.colours[place]);
    return block;
  }

  function stepButton(label, by) {
    const button = make("button", { type: "button" }, label);
    button.disabled = state.active + by < 0 || state.active + by >= state.shown.length;
    button.addEventListener("click", () => {
      select(state.active + by);
      $("case").focus({ preventScroll: true }); // the pressed button is gone: keep the reader in the case
    });
    return button;
  }

  function drawCase(one) {
    const suite = data.suites[one.suite], called = new Set((one.gold || []).map((call) => call[0]));
    const tags = [plain(suite), one.kind, one.turns && one.turns + " turn", one.complexity, one.domain].filter(Boolean).map(plain).join(" · ");
    const tools = one.tools.map((place) => toolOf(data.tools[place], called.has(data.tools[place].name)));
    $("case").replaceChildren(...[
      make("div", { class: "title" }, make("h3", { id: "case-title" }, one.id), make("span", {}, stepButton("← Previous", -1), " ", stepButton("Next →", 1))),
      make("p", { class: "tags" }, tags),
      make("h4", {}, "Request"), ...one.messages.map(messageOf),
      make("details", {}, make("summary", {}, `Offered tools (${tools.length})`), ...tools),
      make("h4", {}, !one.gold ? "Gold: a reply, no call" : one.accepted ? "Gold: the first accepted values" : "Gold"), ...(one.gold ? one.gold.map(goldCall) : [scrolled(one.reply, "gold reply")]),
      one.accepted ? make("details", {}, make("summary", {}, "All accepted values"), scrolled(indented(one.accepted), "accepted values")) : null,
      make("div", { class: "subjects" }, ...one.subjects.map((subject, place) => subjectOf(subject, place, one))),
    ].filter(Boolean));
  }

  // ---- start

  fillFilters();
  form.addEventListener("input", applyFilters);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(applyFilters)); // the fields are emptied after this event
  list.addEventListener("keydown", moveWithKeys);
  $("earlier").addEventListener("click", () => select((state.page - 1) * PAGE));
  $("later").addEventListener("click", () => select((state.page + 1) * PAGE));
  applyFilters();
})();
