// The line to the machine for a visitor: the camera's picture with a time code above it goes, the altered one comes back.

import { ask, at, Problem } from "./api.js";
import { draw, Reader, since } from "./timecode.js";

const GATHERING = 1200;
const SILENCE = 5000;
const FIRST = 12000;
const KEPT = 20000;
const WINDOW = 10000;
const PACES = [10, 15, 20, 30];

export class Visit {
  /** camera: a video element that plays the camera.  back: one for what comes back.  told: called with (state, sentence):
   *  "connecting", "live", "wrong" or "ended". */
  constructor(camera, back, told) {
    this.camera = camera;
    this.back = back;
    this.told = told;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.reader = new Reader();
    this.wanted = false;
    this.attempt = 0;
    this.wait = 500;
    this.most = 30;
    this.peer = null;
    this.id = null;
    this.clear();
    // In a tab that nobody sees, pictures are not shown, and that is no silence.
    this.seen = 0;
    document.addEventListener("visibilitychange", () => { this.seen = performance.now(); });
    setInterval(() => this.watch(), 500);
  }

  /** Begin, or begin again; wish: {source, plain}. */
  open(wish) {
    this.wish = wish;
    this.wanted = true;
    this.clear();
    this.start();
  }

  /** End; the camera is the caller's. */
  close() {
    this.wanted = false;
    this.attempt += 1;
    clearTimeout(this.timer);
    this.leave();
    this.back.srcObject = null;
    this.told("ended", "");
  }

  /** Another face, without a new beginning where the call goes on. */
  async wear(wish) {
    this.wish = wish;
    if (this.id) await ask("POST", at`/api/call/${this.id}`, wish);
  }

  /** What was measured: {trip: {p50, p95}, fps, width, height, share} of the last ten seconds, milliseconds. */
  figures() {
    const from = performance.now() - WINDOW;
    const latest = this.shown.filter(([time]) => time > from);
    const trips = latest.map(([, trip]) => trip).filter((trip) => trip !== null).sort((a, b) => a - b);
    const part = (share) => (trips.length ? trips[Math.min(trips.length - 1, Math.floor(share * trips.length))] : null);
    const span = latest.length > 1 ? latest[latest.length - 1][0] - latest[0][0] : 0;
    return { p50: part(0.5), p95: part(0.95), fps: span ? ((latest.length - 1) * 1000) / span : 0, width: this.back.videoWidth, height: this.back.videoHeight, sent: this.most };
  }

  clear() {
    this.shown = [];
    this.drawn = 0;
    this.last = -1e9;
    this.paced = performance.now();
    this.pace = 30;
  }

  async start() {
    clearTimeout(this.timer);
    const attempt = (this.attempt += 1);
    this.leave();
    this.told("connecting", "");
    try {
      await this.negotiate(attempt);
    } catch (problem) {
      if (attempt !== this.attempt) return;
      this.leave();
      const refused = problem instanceof Problem && problem.status >= 400 && problem.status < 500 && problem.status !== 429;
      this.told(refused ? "wrong" : "waiting", problem.message);
      if (refused) this.wanted = false;
      else this.again(problem.status === 503 ? 5000 : 0);
    }
  }

  again(least = 0) {
    this.attempt += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wanted && this.start(), Math.max(least, this.wait));
    this.wait = Math.min(8000, this.wait * 2);
  }

  async negotiate(attempt) {
    const { videoWidth: width, videoHeight: height } = this.camera;
    // A fifteenth of the height, so that both together stay a multiple of what encoders like.
    const strip = 2 * Math.round(height / 30);
    Object.assign(this.canvas, { width, height: height + strip });
    this.strip = strip;
    this.share = strip / (height + strip);
    const peer = new RTCPeerConnection({ iceServers: [] });
    this.peer = peer;
    const stream = this.canvas.captureStream(0);
    [this.track] = stream.getVideoTracks();
    this.shoot = () => (this.track.requestFrame ? this.track.requestFrame() : stream.requestFrame());
    // Movement counts more than sharpness when the line is narrow: the browser makes its picture smaller, not rarer.
    this.track.contentHint = "motion";
    const channel = peer.createDataChannel("swapcam");
    channel.onmessage = (event) => this.advised(event.data);
    const sender = peer.addTransceiver(this.track, { direction: "sendrecv", streams: [stream] });
    if ("jitterBufferTarget" in sender.receiver) sender.receiver.jitterBufferTarget = 0;
    if ("playoutDelayHint" in sender.receiver) sender.receiver.playoutDelayHint = 0;
    peer.ontrack = ({ track }) => { this.back.srcObject = new MediaStream([track]); this.back.play().catch(() => {}); };
    peer.onconnectionstatechange = () => {
      if (peer === this.peer && ["failed", "closed"].includes(peer.connectionState)) this.broke();
    };
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const { sdp, type } = peer.localDescription;
    const answer = await ask("POST", "/api/call", { sdp, type, ...this.wish, strip, height: height + strip });
    if (attempt !== this.attempt) return void ask("DELETE", at`/api/call/${answer.id}`).catch(() => {});
    this.id = answer.id;
    await peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    await this.bound(sender.sender);
    this.since = performance.now();
    this.step(attempt);
    this.see(attempt);
    return undefined;
  }

  // Chromium starts at 300 kbit/s and feels its way up; on the way a picture is mud.
  async bound(sender) {
    const parameters = sender.getParameters();
    if (!parameters.encodings?.length) return;
    parameters.encodings[0].maxBitrate = Math.max(600_000, this.canvas.width * this.canvas.height * 30 * 0.15);
    parameters.degradationPreference = "maintain-framerate";
    await sender.setParameters(parameters).catch(() => {});
  }

  // Each picture of the camera, at most as often as the machine can use.
  step(attempt) {
    if (attempt !== this.attempt) return;
    const next = () => this.step(attempt);
    if (this.camera.requestVideoFrameCallback) this.camera.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
    this.send();
  }

  send() {
    const now = performance.now();
    const interval = 1000 / this.most;
    // A camera's own rhythm trembles: half a beat early is on time.
    if (now < this.drawn + interval - 8 || this.camera.readyState < 2) return;
    this.drawn = Math.max(this.drawn + interval, now - interval);
    const { width, height } = this.canvas;
    this.context.drawImage(this.camera, 0, this.strip, width, height - this.strip);
    draw(this.context, performance.now(), width, this.strip);
    this.shoot();
  }

  see(attempt) {
    if (attempt !== this.attempt) return;
    const next = () => { this.take(); this.see(attempt); };
    if (this.back.requestVideoFrameCallback) this.back.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  take() {
    const code = this.reader.read(this.back, this.back.videoWidth, this.back.videoHeight, this.share);
    const now = performance.now();
    this.shown.push([now, code === null ? null : since(code, now)]);
    if (this.shown.length > KEPT) this.shown.splice(0, KEPT / 2);
    if (this.last < this.since) this.told("live", "");
    this.last = now;
    this.wait = 500;
  }

  advised(text) {
    const { fps } = JSON.parse(text);
    if (!(fps >= 1 && fps <= 120)) return;
    this.most = fps;
    // What is not sent need not be taken either; a camera changes its pace rarely, and to a usual one.
    const pace = PACES.find((one) => one >= fps * 1.1) ?? PACES[PACES.length - 1];
    const calm = performance.now() - this.paced > 4000;
    const [track] = this.camera.srcObject?.getVideoTracks() ?? [];
    if (pace === this.pace || !track || (!calm && pace < this.pace)) return;
    this.paced = performance.now();
    this.pace = pace;
    track.applyConstraints({ ...track.getConstraints(), frameRate: pace }).catch(() => {});
  }

  watch() {
    if (document.hidden && this.peer && this.track) this.send();
    if (!this.wanted || !this.peer || this.since === undefined || document.hidden) return;
    const silent = performance.now() - Math.max(this.last, this.since, this.seen);
    if (silent > (this.last < this.since ? FIRST : SILENCE)) this.broke();
  }

  broke() {
    this.leave();
    if (!this.wanted) return;
    this.told("waiting", "The connection broke off; it is taken up again.");
    this.again();
  }

  leave() {
    const { peer, id } = this;
    this.peer = this.id = null;
    this.since = undefined;
    this.track?.stop();
    if (peer) {
      peer.onconnectionstatechange = null;
      peer.close();
    }
    if (id) ask("DELETE", at`/api/call/${id}`).catch(() => {});
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return undefined;
  return new Promise((resolve) => {
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && resolve());
    setTimeout(resolve, GATHERING);
  });
}
