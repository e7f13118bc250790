// One conversation, exchange by exchange, beside another about the same image if wanted.

async function talkView(talks, state, rows) {
  const row = talks.rowOf(state.key);
  if (row < 0) return missingTalk(talks, state);
  const place = rows.indexOf(row);
  byId("count").textContent = place < 0 ? "" : `Conversation ${place + 1} of ${rows.length.toLocaleString("en")}`;
  const beside = await besideTalk(talks, state);
  const columns = [talkColumn(talks, row, state, beside !== null)];
  if (beside) columns.push(talkColumn(beside.talks, beside.row, { ...state, view: "talk", ...besideOf(state) }, true));
  return [
    talkHeader(talks, row, state, rows, place),
    besideField(talks, state),
    make("div", { class: beside ? "side two" : "side" }, columns),
    nearestSection(talks, row, state),
  ];
}

function missingTalk(talks, state) {
  byId("count").textContent = "";
  const group = INDEX.groups[groupOf(talks.part)];
  return [make("h2", { tabindex: -1 }, "No such conversation"),
    make("p", {}, `Of the ${counted(group.total, "image")} of this part, this page shows ${group.keys.length.toLocaleString("en")}; `, make("code", {}, named(state.key)), " is none of them."),
    make("p", {}, make("a", { href: addressOf({ ...state, view: "list", key: "" }) }, "To the list"))];
}

function talkHeader(talks, row, state, rows, place) {
  const step = (by, text) => place >= 0 && rows[place + by] !== undefined
    ? make("a", { href: addressOf({ ...state, key: talks.key(rows[place + by]) }), rel: by < 0 ? "prev" : "next" }, text)
    : make("span", { class: "off" }, text);
  const label = talks.labels[talks.target(row)];
  return make("header", { class: "about" },
    make("div", { class: "shot" }, picture(talks, row, `Image of ${label}`)),
    make("div", {},
      make("h2", { tabindex: -1 }, named(label)),
      INDEX.descriptions[label] && make("p", { class: "description", dir: "auto" }, INDEX.descriptions[label]),
      make("p", { class: "note" }, make("code", {}, named(talks.key(row)))),
      make("nav", { class: "steps", "aria-label": "Conversations" },
        make("a", { href: addressOf({ ...state, view: "list", key: "", beside: "" }) }, "All"), step(-1, "← Previous"), step(1, "Next →"))));
}

// Which set `beside` in the address means: run, seed and part, divided by slashes.
function besideOf(state) {
  const [run, seed, part] = state.beside.split("/");
  return { run, seed, part: part ?? state.part };
}

async function besideTalk(talks, state) {
  if (!state.beside) return null;
  const { run, seed, part } = besideOf(state);
  const place = placeOf(run, seed, part);
  if (place < 0 || INDEX.sets[place].failed !== null) return null;
  const other = await openSet(place);
  const row = other.rowOf(state.key);
  return row < 0 ? null : { talks: other, row };
}

function besideField(talks, state) {
  const others = INDEX.sets.filter((set) => set.failed === null && groupOf(set.part) === groupOf(talks.part)
    && !(set.run === talks.run && set.seed === talks.seed && set.part === talks.part));
  if (others.length === 0) return null;
  const pairs = others.map((set) => [`${set.run}/${set.seed}/${set.part}`,
    `${set.run}, seed ${set.seed}${set.part === talks.part ? "" : `, ${INDEX.titles[set.part] ?? set.part}`}`]);
  const select = make("select", { id: "beside", onchange: (event) => go({ beside: event.target.value }) });
  options(select, [["", "nothing"], ...pairs], pairs.some(([value]) => value === state.beside) ? state.beside : "");
  return make("p", { class: "beside" }, make("label", {}, "Beside it, about the same image: ", select));
}

function talkColumn(talks, row, state, two) {
  const length = talks.length(row);
  const answer = talks.answer(row);
  const right = talks.right(row);
  const shown = state.after ? talks.exchanges : length;
  const verdict = right
    ? [make("span", { class: "mark", "aria-hidden": "true" }, "✓"), " Named right"]
    : [make("span", { class: "mark", "aria-hidden": "true" }, "✗"), " Taken for ", named(talks.labels[answer.column])];
  return make("section", { class: "talk", "data-run": talks.run, "data-seed": talks.seed, "data-part": talks.part, "aria-label": `Run ${talks.run}, seed ${talks.seed}` },
    two && make("h3", { class: "owner" }, named(talks.run), `, seed ${talks.seed}`, talks.part === readState().part ? "" : `, ${INDEX.titles[talks.part] ?? talks.part}`),
    make("p", { class: right ? "verdict" : "verdict wrong" }, make("b", {}, verdict), ` after ${counted(length, "exchange")}, with probability ${share(answer.share)}`),
    make("p", { class: "note" }, `Rank of the true class, exchange by exchange: ${path(talks, row, length)} of ${talks.labels.length}`),
    !right && INDEX.descriptions[talks.labels[answer.column]] && make("p", { class: "description", dir: "auto" }, named(talks.labels[answer.column]), ": ", INDEX.descriptions[talks.labels[answer.column]]),
    make("ol", { class: "exchanges" }, Array.from({ length: shown }, (_, t) => exchange(talks, row, t, state))),
    length < talks.exchanges && make("button", { type: "button", class: "after", "aria-pressed": state.after ? "true" : "false", onclick: () => go({ after: state.after ? "" : "1" }) },
      `${state.after ? "Hide" : "Show"} what would have been said after the stop (${counted(talks.exchanges - length, "exchange")})`));
}

function exchange(talks, row, t, state) {
  const length = talks.length(row);
  const last = t === length - 1;
  const over = t >= length;
  const heading = make("h4", {}, `Exchange ${t + 1}`, over && make("small", {}, " after the stop"));
  // What the Receiver asks at the stop goes nowhere.
  const asks = !last || state.after;
  return make("li", { class: over ? "exchange over" : last ? "exchange last" : "exchange", "data-exchange": t + 1 },
    heading,
    make("div", { class: "said" },
      messageRow(talks, "sender", row, t, state),
      asks && messageRow(talks, "receiver", row, t, null),
      attention(talks, row, t)),
    make("div", { class: "known" },
      ranking(talks, row, t),
      goingOn(talks, row, t, last, over)));
}

function goingOn(talks, row, t, last, over) {
  const going = talks.goesOn(row, t);
  const decision = over ? (going ? "would go on" : "would stop")
    : !last ? "goes on"
    : going ? "would go on, but this is the last exchange" : "stops here";
  return make("p", { class: last ? "going stop" : "going" }, make("span", {}, decision), " ",
    make("span", { class: "note" }, "probability to go on "), make("span", { class: "go-share" }, share(talks.goShare(row, t))),
    // In evaluation it is by default the product of all so far that decides.
    t > 0 && make("span", { class: "note" }, ", with all before it ", make("span", { class: "go-product" }, share(talks.goProduct(row, t)))));
}

function nearestSection(talks, row, state) {
  const found = nearest(talks, row);
  if (found.length === 0) return null;
  const apart = (one) => talks.binary ? `${counted(one.apart, "bit")} apart` : `${one.apart.toFixed(2)} apart`;
  return make("section", { class: "nearest" },
    make("h3", {}, "Nearest messages"),
    make("p", { class: "note" }, "By the Sender's message at the stop, ", talks.binary ? "bits that differ" : "sum of absolute differences", "; of the same run, seed and part."),
    make("ul", { class: "cards" }, found.map((one) => card(talks, one.row, state, apart(one)))));
}
