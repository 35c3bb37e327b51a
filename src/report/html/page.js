'use strict';
const findings = [...document.querySelectorAll('details.finding')];
const search = document.getElementById('search');
const shown = document.getElementById('shown');

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const finding of findings) {
    const text = finding.textContent.toLowerCase();
    finding.hidden = !words.every((word) => text.includes(word));
    count += finding.hidden ? 0 : 1;
  }
  shown.textContent = words.length ? `${count} of ${findings.length}` : '';
}

function step(by) {
  const visible = findings.filter((finding) => !finding.hidden);
  const at = visible.findIndex((finding) => finding.contains(document.activeElement));
  const next = visible[Math.min(Math.max(at + by, 0), visible.length - 1)];
  if (next) {
    next.querySelector('summary').focus();
    next.scrollIntoView({ block: 'nearest' });
  }
}

function openTarget() {
  const finding = document.getElementById(location.hash.slice(1));
  if (finding instanceof HTMLDetailsElement) finding.open = true;
}

search.addEventListener('input', filter);
window.addEventListener('hashchange', openTarget);
window.addEventListener('beforeprint', () => findings.forEach((finding) => { finding.open = true; }));
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target === search;
  if (event.key === 'Escape' && typing) { search.value = ''; filter(); search.blur(); }
  if (typing) return;
  if (event.key === '/') { search.focus(); event.preventDefault(); }
  if (event.key === 'j') step(1);
  if (event.key === 'k') step(-1);
  if (event.key === 'o') { const open = findings.some((finding) => !finding.open); findings.forEach((finding) => { finding.open = open; }); }
});
openTarget();
