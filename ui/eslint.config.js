import js from '@eslint/js'
import jsxA11y from 'eslint-plugin-jsx-a11y'
import reactHooks from 'eslint-plugin-react-hooks'
import globals from 'globals'
import tseslint from 'typescript-eslint'

const rooms = ['home', 'sources', 'live', 'rejected', 'warehouse', 'project', 'status', 'settings', 'people', 'apidocs']

// Rooms import design and api, never each other; design and api import no room.
const borders = rooms.map((room) => ({
  files: [`src/${room}/**`],
  rules: {
    'no-restricted-imports': ['error', {
      patterns: [
        { group: rooms.filter((other) => other !== room).map((other) => `@/${other}/*`), message: 'Rooms do not import each other.' },
        { group: ['@/app/*'], message: 'The shell imports rooms, not the other way round.' },
      ],
    }],
  },
}))

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.shots', 'src/api/schema.ts', 'src/api/permissions.ts', 'public'] },
  js.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', 'vite.config.ts'],
    extends: [...tseslint.configs.strict],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  { files: ['src/**/*.tsx'], ...jsxA11y.flatConfigs.strict },
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': reactHooks },
    rules: { 'react-hooks/rules-of-hooks': 'error', 'react-hooks/exhaustive-deps': 'error', 'react-hooks/purity': 'error', 'react-hooks/set-state-in-render': 'error' },
  },
  ...borders,
  {
    files: ['src/design/**', 'src/api/**', 'src/format/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: [...rooms, 'app'].map((r) => `@/${r}/*`), message: 'This is beneath the rooms.' }] }],
    },
  },
  { files: ['scripts/**', 'e2e/**', '*.js'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
)
