/** The common patches as a form: convert a value, set a field, remove it, rename it. */
import { Button } from '../../parts/basics.tsx';
import type { ConvertKind, Step, ValueKind } from '../../parts/patch.ts';

const kinds: readonly (readonly [Step['kind'], string])[] = [
  ['convert', 'Convert its own value'],
  ['set', 'Set the field'],
  ['remove', 'Remove the field'],
  ['rename', 'Rename the field'],
];

const valueKinds: readonly (readonly [ValueKind, string])[] = [
  ['text', 'text'],
  ['number', 'number'],
  ['json', 'JSON'],
  ['true', 'true'],
  ['false', 'false'],
  ['null', 'null'],
];

const convertKinds: readonly (readonly [ConvertKind, string])[] = [
  ['number', 'a number'],
  ['text', 'text'],
  ['boolean', 'true or false'],
];

type StepFormProps = {
  steps: readonly Step[];
  onChange: (steps: readonly Step[]) => void;
  fault: { readonly fault: string; readonly step: number } | undefined;
};

export function StepForm({ steps, onChange, fault }: StepFormProps) {
  const replace = (index: number, step: Step) =>
    onChange(steps.map((each, at) => (at === index ? step : each)));
  return (
    <div className="steps">
      {steps.map((step, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
        <fieldset key={index}>
          <legend className="hidden">Step {index + 1}</legend>
          <StepFields step={step} onChange={(next) => replace(index, next)} />
          {steps.length > 1 && (
            <Button
              aria-label={`Remove step ${index + 1}`}
              onClick={() => onChange(steps.filter((_, at) => at !== index))}
            >
              ×
            </Button>
          )}
          {step.path.includes('[*]') && (
            <small className="quiet">
              [*] is the element at which each event is refused; the others stay as they are.
            </small>
          )}
          {step.kind === 'set' && (
            <small className="quiet">
              Every event gets this same value. To keep the value that each one has, convert it.
            </small>
          )}
          {step.kind === 'convert' && (
            <small className="quiet">
              Each event keeps its own value, written as {convertKinds.find(([kind]) => kind === step.to)![1]}
              : "12" and 12. Where that is impossible the event stays as it is.
            </small>
          )}
          {fault?.step === index && <small className="quiet">{fault.fault}.</small>}
        </fieldset>
      ))}
      <div>
        <Button onClick={() => onChange([...steps, { kind: 'set', path: '', as: 'text', value: '' }])}>
          Add a step
        </Button>
      </div>
    </div>
  );
}

function StepFields({ step, onChange }: { step: Step; onChange: (step: Step) => void }) {
  const changeKind = (kind: Step['kind']) => {
    const { path } = step;
    if (kind === 'convert') onChange({ kind, path, to: 'number' });
    else if (kind === 'set') onChange({ kind, path, as: 'text', value: '' });
    else onChange(kind === 'remove' ? { kind, path } : { kind, path, to: '' });
  };
  return (
    <>
      <select
        aria-label="What to do"
        value={step.kind}
        onChange={({ target }) => changeKind(target.value as Step['kind'])}
      >
        {kinds.map(([kind, label]) => (
          <option key={kind} value={kind}>
            {label}
          </option>
        ))}
      </select>
      <input
        className="mono"
        aria-label="Field"
        placeholder="lines[0].price"
        spellCheck={false}
        value={step.path}
        onChange={({ target }) => onChange({ ...step, path: target.value })}
      />
      {step.kind === 'convert' && (
        <>
          <span>to</span>
          <select
            aria-label="Convert to"
            value={step.to}
            onChange={({ target }) => onChange({ ...step, to: target.value as ConvertKind })}
          >
            {convertKinds.map(([kind, label]) => (
              <option key={kind} value={kind}>
                {label}
              </option>
            ))}
          </select>
        </>
      )}
      {step.kind === 'rename' && (
        <>
          <span>to</span>
          <input
            className="mono"
            aria-label="New name"
            placeholder="price"
            spellCheck={false}
            value={step.to}
            onChange={({ target }) => onChange({ ...step, to: target.value })}
          />
        </>
      )}
      {step.kind === 'set' && (
        <>
          <span>to</span>
          <select
            aria-label="Kind"
            value={step.as}
            onChange={({ target }) => onChange({ ...step, as: target.value as ValueKind })}
          >
            {valueKinds.map(([kind, label]) => (
              <option key={kind} value={kind}>
                {label}
              </option>
            ))}
          </select>
          {['text', 'number', 'json'].includes(step.as) && (
            <input
              className="mono"
              aria-label="Value"
              spellCheck={false}
              value={step.value}
              onChange={({ target }) => onChange({ ...step, value: target.value })}
            />
          )}
        </>
      )}
    </>
  );
}
