/** The piece map: a canvas of cells, and the same in words. */
import { cellWords, decode, kind, runs } from '../pure/cells.js';
import { useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { html } from './pieces.js';

const NAMES = { proven: 'proven', coming: 'on its way', held: 'missing', rare: 'missing, at 1 or 2 peers', unheld: 'at no connected peer' };
const [WIDTH, HEIGHT, RANGES] = [9, 12, 30];

/** Draws a cell: a shade, and a mark besides: a dot comes, a line is rare, a cross is at no peer. */
function paint(canvas, what, x, y, w, h, ink) {
  canvas.fillStyle = ink(what);
  canvas.fillRect(x, y, w, h);
  canvas.fillStyle = canvas.strokeStyle = ink('ink');
  if (what === 'coming') canvas.fillRect(x + w / 2 - 1, y + h / 2 - 1, 2, 2);
  if (what === 'rare') canvas.fillRect(x + 1, y + h / 2 - 0.5, w - 2, 1);
  if (what !== 'unheld') return;
  canvas.beginPath();
  canvas.moveTo(x + 1, y + 1);
  canvas.lineTo(x + w - 1, y + h - 1);
  canvas.moveTo(x + w - 1, y + 1);
  canvas.lineTo(x + 1, y + h - 1);
  canvas.stroke();
}

/** A canvas with the pixels of the screen and the colours of the theme. */
function sharp(element, width, height) {
  const scale = devicePixelRatio;
  [element.width, element.height] = [width * scale, height * scale];
  element.style.height = `${height}px`;
  const canvas = element.getContext('2d');
  canvas.scale(scale, scale);
  const style = getComputedStyle(element);
  const inks = {};
  return { canvas, ink: (name) => (inks[name] ??= style.getPropertyValue(`--map-${name}`)) };
}

function Swatch({ what, theme }) {
  const ref = useRef(null);
  useEffect(() => {
    const { canvas, ink } = sharp(ref.current, 12, HEIGHT);
    paint(canvas, what, 0, 0, 11, HEIGHT - 1, ink);
  }, [theme]);
  return html`<canvas class="swatch" aria-hidden="true" ref=${ref} />`;
}

function useTheme() {
  const [theme, next] = useState(0);
  useEffect(() => {
    const look = () => next((times) => times + 1);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', look);
    return () => dark.removeEventListener('change', look);
  }, []);
  return theme;
}

/** @param {{ map: Api.ChunkMap }} props */
export function PieceMap({ map }) {
  const cells = useMemo(() => decode(map), [map]);
  const ref = useRef(/** @type {any} */ (null));
  const [width, resize] = useState(0);
  const [at, point] = useState(-1);
  const [isOpen, open] = useState(false);
  const theme = useTheme();
  const columns = Math.max(1, Math.min(cells.number, Math.floor(width / WIDTH)));
  const step = Math.min(24, width / columns);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => resize(entry.contentRect.width));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return;
    const { canvas, ink } = sharp(ref.current, width, Math.ceil(cells.number / columns) * HEIGHT);
    const place = (cell) => [(cell % columns) * step, Math.floor(cell / columns) * HEIGHT];
    for (let cell = 0; cell < cells.number; cell += 1) {
      const [x, y] = place(cell);
      paint(canvas, kind(cells, cell), x, y, step - 1, HEIGHT - 1, ink);
    }
    canvas.lineWidth = 2;
    if (at >= 0) canvas.strokeRect(place(at)[0], place(at)[1], step - 1, HEIGHT - 1);
  }, [cells, width, at, theme]);
  const onPointerMove = ({ offsetX, offsetY }) => {
    const cell = Math.floor(offsetY / HEIGHT) * columns + Math.min(columns - 1, Math.floor(offsetX / step));
    point(cell < cells.number ? cell : -1);
  };
  const onKeyDown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    point(Math.max(0, Math.min(cells.number - 1, at + by)));
  };
  const words = cellWords(cells, Math.max(0, at));
  const ranges = isOpen ? runs(cells, RANGES) : [];
  return html`<div class="map">
    <canvas ref=${ref} tabindex="0" role="slider" aria-label="Piece map" aria-valuemin="1" aria-valuemax=${cells.number} aria-valuenow=${Math.max(1, at + 1)}
      aria-valuetext=${words} onPointerMove=${onPointerMove} onPointerLeave=${() => point(-1)} onKeyDown=${onKeyDown} />
    <p class="hint">${at < 0 ? 'Point at a cell, or use the arrow keys.' : words}</p>
    <ul class="legend">${Object.entries(NAMES).map(([what, name]) => html`<li><${Swatch} what=${what} theme=${theme} />${name}</li>`)}</ul>
    <details onToggle=${(event) => open(event.currentTarget.open)}><summary>What is missing, as a list</summary>
      <ul>${ranges.map((it) => html`<li>${it.words}: ${NAMES[it.what]}</li>`)}</ul><p class="hint">${ranges.length === 0 ? 'Nothing.' : `The first ${RANGES} ranges at most.`}</p></details>
  </div>`;
}
