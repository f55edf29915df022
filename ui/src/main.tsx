// First: it takes tokens of links out of the address.
import '@/app/link'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { problemOf } from '@/api/client'
import { fetchRooms, router } from '@/app/routes'
import { followTheme } from '@/design/theme'
import '@/design/page.css'

followTheme()

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refuses it refuses again; what it could not do now it may do soon.
      retry: (failures, error) => ['unreachable', 'unavailable'].includes(problemOf(error).kind) && failures < 2,
      staleTime: 5000,
      // Whether the server is reached is asked of the server: it may be this machine.
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
})

// When the first room has had the line for itself.
setTimeout(fetchRooms, 3000)

const root = document.getElementById('root')
if (root) createRoot(root).render(<StrictMode><QueryClientProvider client={client}><RouterProvider router={router} /></QueryClientProvider></StrictMode>)
