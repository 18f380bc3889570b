const typescript = require('@typescript-eslint/eslint-plugin');
const parser = require('@typescript-eslint/parser');
const prettier = require('eslint-config-prettier');
const hooks = require('eslint-plugin-react-hooks');

module.exports = [
  {
    files: ['labextension/src/**/*.{ts,tsx}', 'tests/ui/**/*.ts'],
    languageOptions: { parser },
    plugins: { '@typescript-eslint': typescript, 'react-hooks': hooks },
    rules: {
      ...typescript.configs['eslint-recommended'].overrides[0].rules,
      ...typescript.configs.recommended.rules,
      ...hooks.configs.recommended.rules,
      // rjsf's types are parametrised beyond use, and notebooks are JSON.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error'
    }
  },
  prettier
];
