// Before the first paint: the theme and the other choices kept on this device.
(() => {
  const root = document.documentElement;
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem('bottleship:settings') ?? '{}') ?? {};
  } catch {
    // Storage is refused or broken: the defaults hold.
  }
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const chosen = root.dataset.chosenTheme;
    root.dataset.theme = chosen === 'dark' || chosen === 'light' ? chosen : dark.matches ? 'dark' : 'light';
  };
  if (kept.theme) root.dataset.chosenTheme = String(kept.theme);
  if (kept.paper === true) root.dataset.term = 'paper';
  if (kept.projector === true) root.dataset.projector = '';
  apply();
  dark.addEventListener('change', apply);
})();
