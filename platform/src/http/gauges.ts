/** A metric with its value, or with one value per label. */
export interface Gauge {
  /** The metric's name, of letters, digits and `_`. */
  name: string;
  help: string;
  value: number | { label: string; values: Readonly<Record<string, number>> };
}

/** The content type of the text of `formatGauges`. */
export const gaugesType = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Formats gauges for Prometheus. Nothing needs escaping, because all names, help texts and labels are constants.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function formatGauges(gauges: readonly Gauge[]): string {
  return gauges
    .map(({ name, help, value }) => {
      const samples =
        typeof value === 'number'
          ? [`${name} ${value}`]
          : Object.entries(value.values).map(([each, count]) => `${name}{${value.label}="${each}"} ${count}`);
      return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...samples, ''].join('\n');
    })
    .join('');
}
