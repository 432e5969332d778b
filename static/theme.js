// Before the first paint: the theme and the other choices kept on this device, and room for the guide.
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
  const asks = new URLSearchParams(location.search);
  root.toggleAttribute('data-guide', (asks.has('lesson') || asks.has('practice')) && !asks.has('embed'));
  apply();
  dark.addEventListener('change', apply);
})();
