import { Diff } from './Diff'

export const title = 'Diff'
export const stories = {
  changed: () => <Diff before={'kind: http\nwrite_keys: [web_2026]\n# a week\ndedup: 7d\n'} after={'kind: http\nwrite_keys: [web_2026, web_2027]\n# a week\ndedup: 7d\nbrowser: true\n'} />,
  same: () => <Diff before="kind: http" after="kind: http" />,
}
