// Photos for enrolling from the webcam: the browser's own, or the loop's where the loop has it.

import { button, fill, make } from "./element.js";
import { untouched } from "./stage.js";

const POSES = ["Look straight into the camera.", "Turn your head a little to the left.", "Turn your head a little to the right.", "Now a smile, from the front."];
const SENTENCES = {
  NotAllowedError: "The browser does not let this page use the camera; allow it beside the address of the page.",
  NotFoundError: "This browser finds no camera.",
  NotReadableError: "The camera is used by another program.",
};

export class Webcam {
  /** taken: called with each photo, a File. */
  constructor(taken) {
    this.taken = taken;
    this.count = 0;
    this.stream = null;
    this.video = make("video", { muted: true, playsinline: true, autoplay: true });
    this.loop = make("canvas", { hidden: true });
    this.text = make("p", { role: "status" });
    this.shutter = button("snapshot", "Take the photo", () => this.take(), { text: "Take the photo", kind: "primary" });
    this.element = make("div", { class: "webcam", hidden: true }, make("div", { class: "finder" }, this.video, this.loop),
      make("div", { class: "choices" }, this.text, this.shutter, button("close", "Close the webcam", () => this.close(), { kind: "quiet" })));
  }

  /** Ask for the camera and show it; where the loop has it, its untouched picture. */
  async open() {
    this.element.hidden = false;
    fill(this.text, "Waiting for the camera…");
    this.shutter.disabled = true;
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } });
      if (this.element.hidden || !this.element.isConnected) return this.close();
      this.video.srcObject = this.stream;
      this.video.muted = true;
      await this.video.play();
      this.ready();
    } catch (problem) {
      if (untouched()) return this.borrow();
      const insecure = "Browsers give cameras to pages with https or on this computer only; choose photos instead.";
      fill(this.text, SENTENCES[problem.name] ?? insecure);
    }
    return undefined;
  }

  /** Take the camera away. */
  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    cancelAnimationFrame(this.borrowed);
    this.borrowed = 0;
    this.video.srcObject = null;
    this.element.hidden = true;
  }

  // The loop holds the camera; what it sees is in the preview's untouched half.
  borrow() {
    this.video.hidden = true;
    this.loop.hidden = false;
    const step = () => {
      const picture = untouched();
      if (picture) {
        Object.assign(this.loop, { width: picture.width, height: picture.height });
        this.loop.getContext("2d").drawImage(picture, 0, 0);
      }
      this.borrowed = requestAnimationFrame(step);
    };
    step();
    this.ready();
  }

  ready() {
    fill(this.text, POSES[this.count % POSES.length]);
    this.shutter.disabled = false;
    this.shutter.focus();
  }

  async take() {
    const from = this.borrowed ? this.loop : this.video;
    const [width, height] = this.borrowed ? [from.width, from.height] : [from.videoWidth, from.videoHeight];
    const canvas = make("canvas", { width, height });
    canvas.getContext("2d").drawImage(from, 0, 0, width, height);
    const photo = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
    this.count += 1;
    this.ready();
    this.taken(new File([photo], `webcam-${this.count}.jpg`, { type: "image/jpeg" }));
  }
}
