import { plainPath } from './paths';

test.each([
  ['a/b.ipynb', 'a/b.ipynb'],
  ['RTC:a/b.ipynb', 'a/b.ipynb'],
  ['RTC:/a.ipynb', 'a.ipynb'],
  ['S3:a.ipynb', 'S3:a.ipynb'],
  ['a/RTC:b.ipynb', 'a/RTC:b.ipynb']
])('%s is %s', (path, plain) => {
  expect(plainPath(path)).toBe(plain);
});
