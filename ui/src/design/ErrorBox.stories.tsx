import { ErrorBox } from './ErrorBox'

export const title = 'ErrorBox'
export const stories = { unavailable: () => <ErrorBox onRetry={() => {}} problem={{ title: 'Service Unavailable', detail: 'the warehouse is paused: let it go on with millrace reader resume warehouse', request_id: 'WVPO6K3ZYD4FQ', errors: [{ location: 'body.sql', message: 'expected length >= 1' }] }} /> }
