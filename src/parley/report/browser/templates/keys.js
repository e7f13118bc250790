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
  const wide = Math.max(1, cards.filter((one) => one.offsetTop === cards[0].offsetTop).length);
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide }[key];
  if (here < 0 && (key === "ArrowUp" || key === "ArrowDown")) return false;
  const there = here < 0 ? 0 : here + by;
  if (cards[there] === undefined) return false;
  cards[there].focus();
  return true;
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
