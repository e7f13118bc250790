"use strict";
// Marks the link to the section in view, closes the contents after a choice, and marks boxes that scroll sideways.
const links = [...document.querySelectorAll("#contents a")];
const targets = links.map((link) => document.querySelector(`[id="${CSS.escape(link.hash.slice(1))}"]`));
const boxes = [...document.querySelectorAll(".scroll, .drawing")];

function markCurrent() {
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const passed = targets.filter((target) => target.getBoundingClientRect().top < innerHeight / 3);
  const current = atEnd ? targets.at(-1) : passed.at(-1);
  links.forEach((link, number) => {
    if (targets[number] === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
}

function markBoxes() {
  boxes.forEach((box) => box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 1));
}

links.forEach((link) => link.addEventListener("click", () => document.getElementById("contents").hidePopover?.()));
addEventListener("scroll", markCurrent, { passive: true });
addEventListener("resize", () => { markCurrent(); markBoxes(); });
document.addEventListener("toggle", markBoxes, true);
markCurrent();
markBoxes();
