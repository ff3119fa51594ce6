/** An order as a service would write it to its outbox: what the bench measures. */
export const orderSchema = {
  type: 'record',
  name: 'Order',
  namespace: 'shop.sales',
  fields: [
    { name: 'orderId', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'number', type: 'long' },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['PLACED', 'PAID', 'SHIPPED'] } },
    { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'total', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'express', type: 'boolean' },
    { name: 'note', type: ['null', 'string'], default: null },
    {
      name: 'customer',
      type: {
        type: 'record',
        name: 'Customer',
        fields: [
          { name: 'id', type: 'long' },
          { name: 'name', type: 'string' },
          { name: 'email', type: ['null', 'string'], default: null },
        ],
      },
    },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Line',
          fields: [
            { name: 'sku', type: 'string' },
            { name: 'quantity', type: 'int' },
            { name: 'price', type: 'double' },
          ],
        },
      },
    },
  ],
};

export function orderPayload(customerId: number | bigint): string {
  return `{"orderId":"018f6b1e-7c3a-7e21-9d55-0a1b2c3d4e5f","number":1048576,"status":"PAID","placedAt":"2024-05-01T12:34:56.123456+02:00","total":129.97,"express":true,"note":null,"customer":{"id":${customerId},"name":"Zoë Müller","email":"zoe@example.com"},"lines":[{"sku":"A-100","quantity":2,"price":19.99},{"sku":"B-7","quantity":1,"price":89.99}]}`;
}
