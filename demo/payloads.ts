/**
 * What the order service writes: payloads for the schemas in `schemas/`, as hard as real ones get, and payloads that no
 * schema accepts. `content` names the values that are easily harmed on the way (64-bit integers, decimals, unicode,
 * empty and absent strings), and `contentOf` finds the same in what an independent decoder reads.
 */
import type { Random } from '../harness/random.ts';

export type Payload = {
  readonly aggregatetype: string;
  readonly type: string;
  /** JSON text, written by hand since a number in JavaScript would not hold it; null is SQL's NULL. */
  readonly json: string | null;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly content: string;
  readonly fate: 'publish' | 'refuse';
};

export const aggregatetypes = ['order', 'payment', 'shipment'] as const;

/** Each has its weakness: quotes, escapes, other scripts, astral characters, joiners, right-to-left, COPY's own `\N`. */
const texts = [
  '',
  'Grüße aus Köln',
  '東京都渋谷区',
  '👩‍🚀 with a joiner, 𝄞 without',
  'שלום',
  'quote " backslash \\ slash / tab \t newline \n nul-free',
  '\\N',
  '{"looks":"like json"}',
  ' padded ',
  'plain',
] as const;

/** The edges of 64 bits and of the doubles between them. */
const longs = [0n, -1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)] as const;

/** A payload that its schema accepts. */
export function goodPayload(random: Random): Payload {
  const write = random.pick([orderPlaced, orderPlaced, orderCancelled, paymentCaptured, shipmentDispatched]);
  return { ...write(random), fate: 'publish' };
}

/** One that the relay must dead-letter. */
export function badPayload(random: Random): Payload {
  const { json, ...good } = { ...orderPlaced(random), fate: 'refuse' as const };
  const spoil = (from: RegExp, to: string): Payload => ({ ...good, json: json.replace(from, to) });
  return random.pick<() => Payload>([
    () => ({ ...good, json, type: 'shop.order.OrderForgotten' }), // no such schema
    () => ({ ...good, json, aggregatetype: 'order audit' }), // no legal topic
    () => ({ ...good, json, headers: { nested: { object: true } } }),
    () => ({ ...good, json: null }),
    () => spoil(/"orderNumber":-?\d+/, '"orderNumber":9223372036854775808'), // one too many for 64 bits
    () => spoil(/"total":[^,]+/, '"total":0.00001'), // one digit too many for the scale
    () => spoil(/"currency":"EUR",/, ''), // a field is missing
    () => spoil(/"customerId":"(?:[^"\\]|\\.)*"/, '"customerId":null'),
    () => spoil(/"customerId":"(?:[^"\\]|\\.)*"/, '"customerId":"\\ud800"'), // half a character
  ])();
}

/** As a version of the order service that forgets the field writes it. */
export function withoutCurrency(random: Random): Payload {
  const { json, ...rest } = orderPlaced(random);
  return { ...rest, json: json.replace('"currency":"EUR",', ''), fate: 'refuse' };
}

type Written = Omit<Payload, 'fate'> & { readonly json: string };

function orderPlaced(random: Random): Written {
  const [number, total, customer] = [long(random), decimal(random), random.pick(texts)];
  const note = random.chance(0.5) ? random.pick(texts) : null;
  const json = `{"orderId":"${random.uuid()}","orderNumber":${number},"customerId":${q(customer)},"placedAt":"${now()}",
    "channel":"${random.pick(['WEB', 'APP', 'STORE', 'PHONE'])}","currency":"EUR","total":${total.json},"lines":[
    ${Array.from({ length: random.integer(0, 3) }, () => orderLine(random)).join()}],"note":${q(note)},
    "shippingAddress":${random.chance(0.5) ? 'null' : address(random)},"attributes":{${q(random.pick(texts))}:"x"}}`;
  const content = join(number, total.unscaled, customer, note);
  return event('order', 'OrderPlaced', json, content, random);
}

function orderLine(random: Random): string {
  return `{"sku":"sku-${random.integer(1, 999)}","title":${q(random.pick(texts))},"quantity":${random.integer(1, 9)},
    "unitPrice":${decimal(random).json},"weightGrams":${random.chance(0.5) ? 'null' : long(random)}}`;
}

function address(random: Random): string {
  const [name, street, city] = [random.pick(texts), random.pick(texts), random.pick(texts)].map(q);
  return `{"name":${name},"street":${street},"postalCode":"","city":${city},"country":"DE"}`;
}

function orderCancelled(random: Random): Written {
  const reason = random.pick(['OTHER', 'CUSTOMER', 'PAYMENT_FAILED', 'OUT_OF_STOCK', 'FRAUD']);
  const comment = random.chance(0.5) ? random.pick(texts) : null;
  const json = `{"orderId":"${random.uuid()}","cancelledAt":"${now()}","reason":"${reason}","comment":${q(comment)}}`;
  return event('order', 'OrderCancelled', json, join(reason, comment), random);
}

function paymentCaptured(random: Random): Written {
  const [amount, reference] = [decimal(random), long(random)];
  const risk = random.chance(0.5) ? null : random.fraction();
  const json = `{"paymentId":"${random.uuid()}","orderId":"${random.uuid()}","amount":${amount.json},"currency":"",
    "method":"${random.pick(['CARD', 'INVOICE', 'WALLET'])}","providerReference":${reference},
    "capturedAt":${Date.now()},"riskScore":${risk}}`;
  return event('payment', 'PaymentCaptured', json, join(amount.unscaled, reference, risk), random);
}

function shipmentDispatched(random: Random): Written {
  const [carrier, label, weight] = [random.pick(texts), random.pick(texts), long(random)];
  const tracking = random.chance(0.5) ? random.pick(texts) : null;
  const json = `{"shipmentId":"${random.uuid()}","orderId":"${random.uuid()}","carrier":${q(carrier)},
    "trackingNumber":${q(tracking)},"dispatchedAt":"${now()}","expectedOn":${random.pick(['null', '"2031-02-28"'])},
    "parcels":[{"barcode":"","weightGrams":${weight},"skus":[]}],"labels":{"label":${q(label)}}}`;
  return event('shipment', 'ShipmentDispatched', json, join(carrier, tracking, weight, label), random);
}

function event(aggregatetype: string, name: string, json: string, content: string, random: Random): Written {
  const type = `shop.${aggregatetype}.${name}`;
  const traceparent = `00-${random.uuid().replaceAll('-', '')}-00f067aa0ba902b7-01`;
  return { aggregatetype, type, json, headers: random.chance(0.5) ? {} : { traceparent }, content };
}

/** What a decoder without logical types makes of a record; `long` as bigint, a decimal as its bytes. */
type Decoded = Readonly<Record<string, unknown>>;

/** The `content` of a decoded record, to be compared with what was written. @param type of the header `type` */
export function contentOf(type: string, value: unknown): string {
  const decoded = value as Decoded;
  switch (type) {
    case 'shop.order.OrderPlaced':
      return join(decoded.orderNumber, unscaled(decoded.total), decoded.customerId, decoded.note);
    case 'shop.order.OrderCancelled':
      return join(decoded.reason, decoded.comment);
    case 'shop.payment.PaymentCaptured':
      return join(unscaled(decoded.amount), decoded.providerReference, decoded.riskScore);
    case 'shop.shipment.ShipmentDispatched': {
      const [parcel] = decoded.parcels as Decoded[];
      const { label } = decoded.labels as Decoded;
      return join(decoded.carrier, decoded.trackingNumber, parcel?.weightGrams, label);
    }
    default:
      return `unknown type ${type}`;
  }
}

function join(...values: unknown[]): string {
  return values.map((value) => (typeof value === 'string' ? q(value) : String(value))).join(' ');
}

function q(text: string | null): string {
  return JSON.stringify(text);
}

function now(): string {
  return new Date().toISOString();
}

function long(random: Random): bigint {
  return random.chance(0.3) ? random.pick(longs) : random.int64();
}

/** At most 18 digits, 4 of them after the point; as a JSON number or a string, as applications do either. */
function decimal(random: Random): { readonly json: string; readonly unscaled: bigint } {
  const unscaled = random.int64() % 10n ** BigInt(random.integer(1, 18));
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(5, '0');
  const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4)}`;
  return { json: random.chance(0.5) ? text : `"${text}"`, unscaled };
}

/** Two's complement, big-endian. */
function unscaled(bytes: unknown): bigint | undefined {
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}
