/** A JupyterLab of a test's own: temporary directories, a free port, real jobs on this machine. */

import type { ChildProcess } from 'child_process';
import { execFileSync, spawn } from 'child_process';
import * as fs from 'fs';
import * as net from 'net';
import * as os from 'os';
import * as path from 'path';

const ROOT = path.resolve(__dirname, '..', '..');
const BIN = process.env.UNATTENDED_TEST_BIN ?? path.join(ROOT, '.venv', 'bin');
const TOKEN = 'a-token-for-tests';

export class Lab {
  private constructor(
    readonly directory: string,
    readonly port: number
  ) {
    this.root = path.join(directory, 'root');
    fs.mkdirSync(this.root);
    this.setting('@jupyterlab/apputils-extension/notification', {
      fetchNews: 'false',
      checkForUpdates: false
    });
    this.bin = path.join(directory, 'bin');
    fs.mkdirSync(this.bin);
  }

  /** The directory that the file browser shows. */
  readonly root: string;

  /** The first directory on the server's PATH, for programs of a test's own. */
  readonly bin: string;

  static async create(): Promise<Lab> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'unattended-ui-'));
    const lab = new Lab(directory, await freePort());
    await lab.start();
    return lab;
  }

  /** The address of a page in it. */
  url(page: string): string {
    const separator = page.includes('?') ? '&' : '?';
    return `http://127.0.0.1:${this.port}/${page}${separator}token=${TOKEN}`;
  }

  /** Put a copy of a notebook beside this file into the root. */
  copy(name: string, as = name): void {
    fs.copyFileSync(path.join(__dirname, 'notebooks', name), path.join(this.root, as));
  }

  /** Set a person's settings of one plugin, for pages that are opened from now on. */
  setting(plugin: string, values: object): void {
    const file = path.join(this.directory, 'settings', `${plugin}.jupyterlab-settings`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify(values));
  }

  async start(): Promise<void> {
    const log = fs.openSync(path.join(this.directory, 'server.log'), 'a');
    this._server = spawn(
      path.join(BIN, 'jupyter'),
      [
        'lab',
        '--allow-root',
        '--no-browser',
        '--ip=127.0.0.1',
        `--port=${this.port}`,
        '--ServerApp.port_retries=0',
        `--IdentityProvider.token=${TOKEN}`
      ],
      { cwd: this.root, env: this.environment, stdio: ['ignore', log, log], detached: true }
    );
    fs.closeSync(log);
    const deadline = Date.now() + 60000;
    while (Date.now() < deadline) {
      try {
        const response = await fetch(this.url('jupyter-unattended/status'));
        if (response.ok) {
          return;
        }
      } catch {
        // Not listening yet.
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    throw new Error(`JupyterLab does not start:\n${this.log()}`);
  }

  /** Stop the server; jobs go on. */
  async stop(): Promise<void> {
    const server = this._server;
    this._server = null;
    if (server?.exitCode === null && server.pid !== undefined) {
      const ended = new Promise(resolve => server.once('exit', resolve));
      server.kill('SIGTERM');
      const timer = setTimeout(() => server.kill('SIGKILL'), 10000);
      await ended;
      clearTimeout(timer);
    }
  }

  /** Stop everything that was started on this account, and remove the directories. */
  async dispose(): Promise<void> {
    await this.stop();
    const mark = `UNATTENDED_STATE_DIR=${path.join(this.directory, 'state')}`;
    for (let tries = 0; tries < 50; tries++) {
      const left = processesWith(mark);
      if (left.length === 0) {
        break;
      }
      for (const pid of left) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Ended by itself.
        }
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  /** Run the command line on this account, as a person in a terminal would. */
  command(...args: string[]): string {
    return execFileSync(path.join(BIN, 'jupyter-unattended'), args, {
      cwd: this.root,
      env: this.environment,
      encoding: 'utf8'
    });
  }

  /** Run a program of this project's Python on this account. */
  python(...args: string[]): string {
    return execFileSync(path.join(BIN, 'python'), args, {
      cwd: ROOT,
      env: this.environment,
      encoding: 'utf8'
    });
  }

  log(): string {
    return fs.readFileSync(path.join(this.directory, 'server.log'), 'utf8');
  }

  private get environment(): NodeJS.ProcessEnv {
    const inside = (name: string) => path.join(this.directory, name);
    return {
      ...process.env,
      PATH: [this.bin, BIN, process.env.PATH].join(path.delimiter),
      UNATTENDED_STATE_DIR: inside('state'),
      UNATTENDED_CPUS: '4',
      UNATTENDED_GPUS: '',
      JUPYTER_CONFIG_DIR: inside('config'),
      JUPYTER_DATA_DIR: inside('data'),
      JUPYTER_RUNTIME_DIR: inside('runtime'),
      JUPYTERLAB_SETTINGS_DIR: inside('settings'),
      JUPYTERLAB_WORKSPACES_DIR: inside('workspaces'),
      IPYTHONDIR: inside('ipython')
    };
  }

  private _server: ChildProcess | null = null;
}

function processesWith(mark: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(name => {
      try {
        return fs.readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
