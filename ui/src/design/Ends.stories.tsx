import { Ends } from './Ends'

export const title = 'Ends'
export const stories = {
  short: () => <div className="flex w-40"><Ends text="order_placed" /></div>,
  long: () => <div className="grid w-60">{[1, 2, 3].map((n) => <div key={n} className="flex"><Ends text={`checkout_step_of_the_new_shop_${n}_completed_${n * 7}`} /></div>)}</div>,
}
