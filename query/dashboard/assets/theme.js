// Set before anything is drawn, so that no page flashes in the other theme.
(() => {
  let kept = null;
  try { kept = localStorage.getItem("pawl.theme"); } catch { /* storage is off: the system's */ }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
