import { expect, test } from 'vitest';
import { visibleParts, visibleText } from '../../../../console/web/parts/visible-text.ts';

test('shows controls, zero-width characters and changes of direction by signs', () => {
  expect(visibleText('a\u0007b\nc\u007f\u202ed\u200be')).toBe('a‹BEL›b‹LF›c‹007F›‹202E›d‹200B›e');
  expect(visibleParts('x\u0000')).toEqual([{ text: 'x' }, { text: '‹NUL›', code: 'U+0000' }]);
});

test('leaves every other text as it is', () => {
  for (const text of ['', '<b>order</b>', 'Grüße 東京 👩 שלום', ' padded '])
    expect(visibleText(text)).toBe(text);
});
