"use strict";
// Without this script everything is shown. It hides exhibits, and nothing else.
const form = document.getElementById("filters");
if (form) {
  const exhibits = [...document.querySelectorAll(".exhibit")];
  const [category, label] = [form.elements.category, form.elements.label];
  const has = (exhibit, key, value) => !value || JSON.parse(exhibit.dataset[key]).includes(value);
  const apply = () => {
    let shown = 0;
    for (const exhibit of exhibits) {
      exhibit.hidden = !(has(exhibit, "categories", category.value) && has(exhibit, "labels", label.value));
      shown += exhibit.hidden ? 0 : 1;
    }
    form.querySelector("output").value = `${shown} of ${exhibits.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  apply();
}
