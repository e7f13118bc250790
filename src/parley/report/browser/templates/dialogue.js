// View of one dialogue, exchange by exchange, optionally next to another dialogue about the same image.

async function dialogueView(dialogues, state, rows) {
  const row = dialogues.rowOf(state.key);
  if (row < 0) return missingDialogue(dialogues, state);
  const position = rows.indexOf(row);
  byId("count").textContent = position < 0 ? "" : `Dialogue ${position + 1} of ${rows.length.toLocaleString("en")}`;
  const beside = await otherDialogue(dialogues, state);
  const columns = [dialogueColumn(dialogues, row, state, beside !== null)];
  if (beside) columns.push(dialogueColumn(beside.dialogues, beside.row, { ...state, view: "dialogue", ...comparedSet(state) }, true));
  return [
    dialogueHeader(dialogues, row, state, rows, position),
    comparisonField(dialogues, state),
    state.beside && !beside && make("p", { class: "notice" }, "This page has no dialogue of ", isolated(state.beside), " about this image to compare with."),
    make("div", { class: beside ? "side two" : "side" }, columns),
    nearestSection(dialogues, row, state),
  ];
}

function missingDialogue(dialogues, state) {
  byId("count").textContent = "";
  const group = INDEX.groups[imageGroup(dialogues.part)];
  return [make("h2", { tabindex: -1 }, "No such dialogue"),
    make("p", {}, make("code", {}, isolated(state.key)), ` is not among the ${group.keys.length.toLocaleString("en")} of ${counted(group.total, "image")} of this split that the page shows.`),
    make("p", {}, make("a", { href: addressOf({ ...state, view: "list", key: "" }) }, "Back to the list"))];
}

function dialogueHeader(dialogues, row, state, rows, position) {
  const step = (by, text) => position >= 0 && rows[position + by] !== undefined
    ? make("a", { href: addressOf({ ...state, key: dialogues.key(rows[position + by]) }), rel: by < 0 ? "prev" : "next" }, text)
    : make("span", { class: "off" }, text);
  const label = dialogues.labels[dialogues.target(row)];
  return make("header", { class: "about" },
    make("div", { class: "image" }, picture(dialogues, row, `Image of ${label}`)),
    make("div", {},
      make("h2", { tabindex: -1 }, isolated(label)),
      INDEX.descriptions[label] && make("p", { class: "description", dir: "auto" }, INDEX.descriptions[label]),
      make("p", { class: "note" }, make("code", {}, isolated(dialogues.key(row)))),
      make("nav", { class: "steps", "aria-label": "Dialogues" },
        make("a", { href: addressOf({ ...state, view: "list", key: "", beside: "" }) }, "All"), step(-1, "← Previous"), step(1, "Next →"))));
}

// Return the run, seed and split of the set that `beside` in the address names; they are separated by slashes.
function comparedSet(state) {
  const [run, seed, part] = state.beside.split("/");
  return { run, seed, part: part ?? state.part };
}

async function otherDialogue(dialogues, state) {
  if (!state.beside) return null;
  const { run, seed, part } = comparedSet(state);
  const number = setNumber(run, seed, part);
  if (number < 0 || INDEX.sets[number].failed !== null) return null;
  const other = await openSet(number);
  const row = other.rowOf(state.key);
  return row < 0 ? null : { dialogues: other, row };
}

function comparisonField(dialogues, state) {
  const others = INDEX.sets.filter((set) => set.failed === null && imageGroup(set.part) === imageGroup(dialogues.part)
    && !(set.run === dialogues.run && set.seed === dialogues.seed && set.part === dialogues.part));
  if (others.length === 0) return null;
  const pairs = others.map((set) => [`${set.run}/${set.seed}/${set.part}`,
    `${set.run}, seed ${set.seed}${set.part === dialogues.part ? "" : `, ${set.part}`}`]);
  const select = make("select", { id: "beside", onchange: (event) => navigate({ beside: event.target.value }) });
  options(select, [["", "nothing"], ...pairs], pairs.some(([value]) => value === state.beside) ? state.beside : "");
  return make("p", { class: "compare" }, make("label", {}, "Compare with, on the same image: ", select));
}

function dialogueColumn(dialogues, row, state, two) {
  const length = dialogues.length(row);
  const answer = dialogues.answer(row);
  const right = dialogues.right(row);
  const shown = state.after ? dialogues.exchanges : length;
  const verdict = [mark(right), ...(right ? [" Correct"] : [" Taken for ", isolated(dialogues.labels[answer.column])])];
  return make("section", { class: "dialogue", "data-run": dialogues.run, "data-seed": dialogues.seed, "data-part": dialogues.part, "aria-label": `Run ${dialogues.run}, seed ${dialogues.seed}` },
    make("h3", { class: two ? "owner" : "visually-hidden" }, isolated(dialogues.run), `, seed ${dialogues.seed}`, dialogues.part === readState().part ? "" : `, ${dialogues.part}`),
    make("p", { class: right ? "verdict" : "verdict wrong" }, make("b", {}, verdict), ` after ${counted(length, "exchange")}, with probability ${threeDecimals(answer.probability)}`),
    make("p", { class: "note" }, `Rank of the true class by exchange: ${rankPath(dialogues, row, length)} of ${dialogues.labels.length}`),
    !right && INDEX.descriptions[dialogues.labels[answer.column]] && make("p", { class: "description", dir: "auto" }, isolated(dialogues.labels[answer.column]), ": ", INDEX.descriptions[dialogues.labels[answer.column]]),
    make("ol", { class: "exchanges" }, Array.from({ length: shown }, (_, t) => exchange(dialogues, row, t, state))),
    length < dialogues.exchanges && make("button", { type: "button", class: "after", "aria-pressed": state.after ? "true" : "false", onclick: () => navigate({ after: state.after ? "" : "1" }) },
      `${state.after ? "Hide" : "Show"} what the agents would have said after the stop (${counted(dialogues.exchanges - length, "exchange")})`));
}

function exchange(dialogues, row, t, state) {
  const length = dialogues.length(row);
  const last = t === length - 1;
  const over = t >= length;
  const heading = make("h4", {}, `Exchange ${t + 1}`, over && make("small", {}, " after the stop"));
  // The Receiver does not send its message at the exchange after which the dialogue stops.
  const asks = !last || state.after;
  return make("li", { class: over ? "exchange over" : last ? "exchange last" : "exchange", "data-exchange": t + 1 },
    heading,
    make("div", { class: "messages" },
      messageRow(dialogues, "sender", row, t, state),
      asks && messageRow(dialogues, "receiver", row, t, null),
      attention(dialogues, row, t)),
    make("div", { class: "prediction" },
      ranking(dialogues, row, t),
      goingOn(dialogues, row, t, last, over)));
}

function goingOn(dialogues, row, t, last, over) {
  const going = dialogues.goesOn(row, t);
  const decision = over ? (going ? "would go on" : "would stop")
    : !last ? (going ? "goes on" : "goes on, because this run’s dialogues have a fixed length; the Receiver would stop")
    : going ? "would go on, but this is the last exchange" : "stops here";
  return make("p", { class: last ? "going stop" : "going" }, make("span", {}, decision),
    make("span", { class: "note" }, " (probability of going on "), make("span", { class: "go-on-probability" }, threeDecimals(dialogues.goOnProbability(row, t))),
    // By default, evaluation decides by the product of the probabilities at all exchanges so far.
    t > 0 && make("span", { class: "note" }, ", product so far ", make("span", { class: "go-on-product" }, threeDecimals(dialogues.goOnProduct(row, t)))), make("span", { class: "note" }, ")"));
}

function nearestSection(dialogues, row, state) {
  const found = nearest(dialogues, row);
  if (found.length === 0) return null;
  const note = (one) => `distance ${dialogues.binary ? counted(one.distance, "bit") : one.distance.toFixed(2)}`;
  return make("section", { class: "nearest" },
    make("h3", {}, "Nearest messages"),
    make("p", { class: "note" }, "By the Sender's last message: ", dialogues.binary ? "number of different bits" : "sum of absolute differences", ", in the same run, seed and split."),
    make("ul", { class: "cards" }, found.map((one) => card(dialogues, one.row, state, note(one)))));
}
