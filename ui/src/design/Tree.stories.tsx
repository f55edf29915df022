import { Tree } from './Tree'

export const title = 'Tree'
export const stories = {
  event: () => <Tree label="Event" value={{ event: 'Order Completed', userId: 'ada', properties: { total: 42.5, currency: 'GBP', coupon: null, gift: false, items: [{ sku: 'a-1', url: 'https://example.com/a-1' }], note: 'javascript:alert(1)' }, context: { library: { name: 'analytics.js', version: '2.1' } } }} />,
}
