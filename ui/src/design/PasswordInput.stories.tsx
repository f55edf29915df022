import { PasswordInput } from './PasswordInput'

export const title = 'Password'
export const stories = { plain: () => <PasswordInput label="Password" defaultValue="four words in a row" />, wrong: () => <PasswordInput label="Password" defaultValue="ada" problem="At least 15 characters" /> }
