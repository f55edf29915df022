import { Drawer } from './Drawer'

export const title = 'Drawer'
export const stories = { event: () => <div className="relative h-60 overflow-hidden bg-sunken"><Drawer title="Order Completed" about="web, 12 s ago" onClose={() => {}} onNext={() => {}}><p className="p-4">An event.</p></Drawer></div> }
