/** What limits a list: a condition each, which goes with a click, and a field to add one. `/` leads here. */
import { useRef, useState } from 'react';
import { Button } from './basics.tsx';
import type { Condition } from './condition.ts';
import { visibleText } from './visible-text.ts';

export type FilterField<Name extends string> = {
  readonly name: Name;
  readonly label: string;
  readonly placeholder?: string;
  /** A time is handed over as ISO 8601, UTC. */
  readonly type?: 'text' | 'time';
};

type FilterBarProps<Name extends string> = {
  readonly conditions: readonly Condition<Name>[];
  readonly fields: readonly [FilterField<Name>, ...FilterField<Name>[]];
  readonly onAdd: (name: Name, value: string) => void;
  readonly onRemove: (name: Name) => void;
};

export function FilterBar<Name extends string>({
  conditions,
  fields,
  onAdd,
  onRemove,
}: FilterBarProps<Name>) {
  const [field, setField] = useState(fields[0]);
  const [text, setText] = useState('');
  const input = useRef<HTMLInputElement>(null);
  const add = () => {
    if (text === '') return;
    onAdd(field.name, field.type === 'time' ? new Date(text).toISOString() : text);
    setText('');
  };
  return (
    <search className="filter">
      <ul aria-label="Conditions">
        {conditions.map(({ name, label, text: value }) => (
          <li key={name}>
            <span className="quiet">{label}</span> <bdi>{visibleText(value.slice(0, 120))}</bdi>{' '}
            <button
              type="button"
              className="link"
              aria-label={`Remove the condition ${label}`}
              onClick={() => {
                onRemove(name);
                input.current?.focus();
              }}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add();
        }}
      >
        {fields.length > 1 && (
          <select
            aria-label="Filter by"
            value={field.name}
            onChange={({ target }) => {
              setField(fields.find(({ name }) => name === target.value) ?? fields[0]);
              setText('');
            }}
          >
            {fields.map(({ name, label }) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        )}
        <input
          ref={input}
          data-filter
          aria-label={fields.length > 1 ? 'Filter value' : field.label}
          type={field.type === 'time' ? 'datetime-local' : 'text'}
          value={text}
          placeholder={field.placeholder}
          onChange={({ target }) => setText(target.value)}
        />
        <Button type="submit">Filter</Button>
      </form>
    </search>
  );
}
