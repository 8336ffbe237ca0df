// One picture: three planes in, a rounded, cropped and possibly mirrored rectangle out.
struct Uniform { size: vec2<f32>, radius: f32, mirror: f32, crop: vec2<f32>, pad: vec2<f32> };
@group(0) @binding(0) var linear: sampler;
@group(0) @binding(1) var luma: texture_2d<f32>;
@group(0) @binding(2) var blue: texture_2d<f32>;
@group(0) @binding(3) var red: texture_2d<f32>;
@group(0) @binding(4) var<uniform> u: Uniform;

struct Vertex { @builtin(position) position: vec4<f32>, @location(0) uv: vec2<f32> };

// The viewport of the pass is the widget already: cover all of it.
@vertex fn vertex(@builtin(vertex_index) index: u32) -> Vertex {
  let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u));
  var out: Vertex;
  out.position = vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
  out.uv = corner;
  return out;
}

fn coverage(uv: vec2<f32>) -> f32 {
  if (u.radius <= 0.0) { return 1.0; }
  let corner = abs((uv - 0.5) * u.size) - (u.size * 0.5 - u.radius);
  let distance = length(max(corner, vec2<f32>(0.0))) - u.radius;
  return clamp(0.5 - distance, 0.0, 1.0);
}

// BT.601, limited range.
@fragment fn fragment(in: Vertex) -> @location(0) vec4<f32> {
  let x = select(in.uv.x, 1.0 - in.uv.x, u.mirror > 0.5);
  let at = (vec2<f32>(x, in.uv.y) - 0.5) * u.crop + 0.5;
  let y = 1.164383 * (textureSample(luma, linear, at).r - 0.0627451);
  let cb = textureSample(blue, linear, at).r - 0.5;
  let cr = textureSample(red, linear, at).r - 0.5;
  let rgb = vec3<f32>(y + 1.596027 * cr, y - 0.391762 * cb - 0.812968 * cr, y + 2.017232 * cb);
  return vec4<f32>(clamp(rgb, vec3<f32>(0.0), vec3<f32>(1.0)), coverage(in.uv));
}
