/** Server-Sent Events (HTML standard, section 9.2): makes a function from text as it arrives to the data of complete events. */
export function eventReader() {
  let rest = '';
  let lines = [];
  return (text) => {
    const found = [];
    const all = (rest + text).split(/\r?\n/);
    rest = all.pop() ?? '';
    for (const line of all) {
      if (line.startsWith('data:')) lines.push(line.slice(5));
      else if (line === '' && lines.length > 0) {
        found.push(lines.join('\n'));
        lines = [];
      }
    }
    return found;
  };
}
