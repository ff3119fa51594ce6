/** Reads what a relay serves at /metrics: the text format of Prometheus, as prom-client writes it. Pure. */

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g;

/** @param wanted tells by its name whether a sample is needed; a relay has thousands */
export function parseSamples(text: string, wanted: (name: string) => boolean): Sample[] {
  const samples: Sample[] = [];
  for (const each of text.split('\n')) {
    if (each === '' || each.startsWith('#')) continue;
    const [, name = '', labelText = '', valueText = ''] = line.exec(each) ?? [];
    if (name === '' || !wanted(name)) continue;
    const value = Number(valueText.replace(/^([+-])Inf$/, '$1Infinity'));
    samples.push({ name, labels: labelsOf(labelText), value });
  }
  return samples;
}

function labelsOf(text: string): Record<string, string> {
  // Without a prototype: a label may be called __proto__.
  const labels: Record<string, string> = Object.create(null);
  for (const [, name = '', value = ''] of text.matchAll(label)) labels[name] = unescaped(value);
  return labels;
}

const unescaped = (value: string) =>
  value.includes('\\') ? value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)) : value;
