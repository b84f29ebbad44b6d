/** The QR code of an offer: its view box and one path of its dark modules, out of the SVG; null where there are none. */
export function readQr(svg) {
  const of = (tag, name) => new RegExp(`\\b${name}="([MmHhVvLlZz0-9 ,.-]+)(px)?"`).exec(tag)?.[1] ?? '';
  const head = /<svg\b[^>]*>/.exec(svg)?.[0] ?? '';
  const box = of(head, 'viewBox') || `0 0 ${of(head, 'width')} ${of(head, 'height')}`;
  const dark = [...svg.matchAll(/<(?:path|rect)\b[^>]*>/g)].map(([tag]) => tag).filter((tag) => !/fill="(#fff|#ffffff|white|none)"/i.test(tag));
  const path = dark.map((tag) => of(tag, 'd') || `M${of(tag, 'x') || 0} ${of(tag, 'y') || 0}h${of(tag, 'width')}v${of(tag, 'height')}h-${of(tag, 'width')}z`).join('');
  return path && /\d \d+\S*$/.test(box) ? { box, path } : null;
}
