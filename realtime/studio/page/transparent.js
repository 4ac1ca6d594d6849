// Pictures with alpha out of pictures without: colour times alpha above, alpha as grey below (realtime/stages/cutout.py).

const VERTEX = `
attribute vec2 at;
varying vec2 place;
void main() { place = vec2(at.x, 1.0 - at.y) * vec2(1.0, 0.5); gl_Position = vec4(at * 2.0 - 1.0, 0.0, 1.0); }`;

// Codecs blur a little over every edge: what they leave in the empty part is taken for empty, and no half reads the other.
const FRAGMENT = `
precision highp float;
varying vec2 place;
uniform sampler2D picture;
uniform float row;
void main() {
  float high = clamp(place.y, row, 0.5 - row);
  float grey = texture2D(picture, vec2(place.x, high + 0.5)).g;
  float alpha = clamp((grey - 0.024) / 0.952, 0.0, 1.0);
  gl_FragColor = vec4(min(texture2D(picture, vec2(place.x, high)).rgb, alpha), alpha);
}`;
const LOW = 6;
const SPAN = 243;

export class Transparent {
  /** canvas: where they appear. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl", { alpha: true, premultipliedAlpha: true, antialias: false, preserveDrawingBuffer: true });
    if (this.gl) this.prepare();
    else this.pixels = canvas.getContext("2d");
    // A graphics card that was taken away comes back empty.
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.prepare());
  }

  /** Show one.  source: a video or bitmap, width x 2 height. */
  draw(source, width, height) {
    const { canvas, gl } = this;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    if (!gl) return this.slowly(source, width, height);
    gl.viewport(0, 0, width, height);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, source);
    gl.uniform1f(this.row, 0.25 / height);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(gl.getAttribLocation(program, "at"), 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    this.row = gl.getUniformLocation(program, "row");
  }

  // Without a graphics card that WebGL would use: pixel by pixel, which a browser wants not multiplied.
  slowly(source, width, height) {
    this.both ??= new OffscreenCanvas(width, 2 * height).getContext("2d", { willReadFrequently: true });
    const { canvas } = this.both;
    if (canvas.width !== width || canvas.height !== 2 * height) [canvas.width, canvas.height] = [width, 2 * height];
    this.both.drawImage(source, 0, 0);
    const { data } = this.both.getImageData(0, 0, width, 2 * height);
    const out = new ImageData(width, height);
    const half = 4 * width * height;
    for (let i = 0; i < half; i += 4) {
      const alpha = Math.min(255, Math.max(0, ((data[half + i + 1] - LOW) * 255) / SPAN));
      if (alpha === 0) continue;
      for (let k = 0; k < 3; k += 1) out.data[i + k] = Math.min(255, (data[i + k] * 255) / alpha);
      out.data[i + 3] = alpha;
    }
    this.pixels.putImageData(out, 0, 0);
  }
}
