import { Button } from './Button'

export const title = 'Button'
export const stories = {
  looks: () => <div className="flex gap-2 flex-wrap"><Button>Copy</Button><Button look="main">Resend 14 events</Button><Button look="danger">Reset reader</Button><Button look="quiet">Cancel</Button></div>,
  states: () => <div className="flex gap-2 flex-wrap"><Button busy>Resending</Button><Button disabled>Resend</Button><Button icon="refresh">Refresh</Button><Button small look="main" icon="play">Run</Button></div>,
}
