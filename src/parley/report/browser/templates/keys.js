// Keyboard control: arrow keys move between dialogues, / moves to the search field, and Escape returns to the list.

function typing(target) {
  return target instanceof Element && target.closest("input, select, textarea") !== null;
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.hash = link.getAttribute("href");
  return link !== null;
}

function moveAmongCards(key) {
  const cards = [...document.querySelectorAll("#main .cards a")];
  if (cards.length === 0) return false;
  const here = cards.indexOf(document.activeElement);
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (here < 0 && by === undefined) return false;
  const there = by === undefined ? nearestCard(cards, cards[here], key === "ArrowUp" ? 1 : -1) : cards[here < 0 ? 0 : here + by];
  there?.focus();
  return there !== undefined;
}

// Return the card nearest to another one among those above it (`sign` 1) or below it (`sign` -1).
function nearestCard(cards, from, sign) {
  const box = from.getBoundingClientRect();
  const away = (card) => {
    const { top, left } = card.getBoundingClientRect();
    const rise = sign * (box.top - top);
    return rise > 1 ? rise + 3 * Math.abs(box.left - left) : Infinity;
  };
  const nearest = cards.reduce((best, card) => (away(card) < away(best) ? card : best), from);
  return nearest === from ? undefined : nearest;
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
  const state = readState();
  let done = false;
  if (event.key === "Escape") {
    if (typing(event.target)) event.target.blur();
    if (state.view !== "list") navigate({ view: "list", key: "", beside: "", bit: "" });
    done = true;
  } else if (typing(event.target)) return;
  else if (event.key === "/") {
    if (state.view !== "list") { focusSearch = true; navigate({ view: "list", key: "", beside: "", bit: "" }); }
    else byId("search").focus();
    done = true;
  } else if (event.key.startsWith("Arrow")) {
    const sideways = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]" }[event.key];
    if (state.view === "list") done = moveAmongCards(event.key);
    else if (state.view === "dialogue" && sideways && !event.target.closest?.(".scroll")) done = follow(sideways);
  }
  if (done) event.preventDefault();
}
