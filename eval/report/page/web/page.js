"use strict";
// Without this script everything is shown. It folds what is long, filters the gallery, and nothing else.
const folds = [...document.querySelectorAll("details.fold")];
const unfold = () => {
  const target = document.querySelector(":target");
  for (let element = target; element; element = element.parentElement) {
    if (element.tagName === "DETAILS" && !element.open) {
      element.open = true;
      target.scrollIntoView();
    }
  }
};
for (const fold of folds) fold.open = false;
unfold();
addEventListener("hashchange", unfold);
let closed = [];
addEventListener("beforeprint", () => {
  closed = folds.filter(fold => !fold.open);
  for (const fold of closed) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
});

// A box that does not scroll is no stop on the way through the page.
const observer = new ResizeObserver(entries => {
  for (const { target: box } of entries) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll(".scroll, .exhibit blockquote")) observer.observe(box);

const form = document.getElementById("filters");
if (form) {
  const exhibits = [...document.querySelectorAll(".exhibit")];
  const further = document.getElementById("further");
  const [category, label] = [form.elements.category, form.elements.label];
  const has = (exhibit, key, value) => !value || JSON.parse(exhibit.dataset[key]).includes(value);
  const apply = () => {
    let shown = 0;
    for (const exhibit of exhibits) {
      exhibit.hidden = !(has(exhibit, "categories", category.value) && has(exhibit, "labels", label.value));
      shown += exhibit.hidden ? 0 : 1;
    }
    form.querySelector("output").value = `${shown} of ${exhibits.length} match`;
  };
  form.hidden = false;
  form.addEventListener("change", () => {
    apply();
    if (further) further.open = Boolean(category.value || label.value);
  });
  form.addEventListener("reset", () => setTimeout(() => {
    apply();
    if (further) further.open = true;
  }));
  apply();
}
