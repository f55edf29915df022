import { CodeBlock } from './CodeBlock'

export const title = 'CodeBlock'
export const stories = { curl: () => <CodeBlock label="curl" code={"curl -u web_2026: localhost:8080/v1/track \\\n  -d '{\"event\": \"Order Completed\", \"userId\": \"ada\"}'"} /> }
