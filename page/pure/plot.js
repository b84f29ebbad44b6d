/** The rate plot: its scale, its lines, and the means of the table behind it. */

/** The top of the scale: 1, 2 or 5 times a power of 10, of a power of 1,024. */
export function top(most) {
  for (let unit = 1024; ; unit *= 1024) {
    for (const factor of [1, 2, 5, 10, 20, 50, 100, 200, 500]) if (most <= unit * factor) return unit * factor;
  }
}

/** Points of polylines, one text for each run without a gap. */
export function polylines(values, width, height, scale) {
  const lines = [];
  values.forEach((value, at) => {
    if (value == null) return;
    if (at === 0 || values[at - 1] == null) lines.push([]);
    const [x, y] = [(at * width) / (values.length - 1), height - (Math.min(value, scale) / scale) * height];
    lines.at(-1).push(`${+x.toFixed(1)},${+y.toFixed(1)}`);
  });
  return lines.map((points) => points.join(' '));
}

/** Means of equal parts, null where nothing ran. */
export const means = (values, number) =>
  Array.from({ length: number }, (_, at) => {
    const begin = (part) => Math.floor((part * values.length) / number);
    const ran = values.slice(begin(at), begin(at + 1)).filter((it) => it != null);
    return ran.length > 0 ? Math.round(ran.reduce((sum, it) => sum + it, 0) / ran.length) : null;
  });
