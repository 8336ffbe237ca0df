//! The way to the screen with a GPU: the planes go into three textures as they are, a shader does the rest.

use std::collections::HashMap;

use iced::Rectangle;
use iced_wgpu::graphics::Viewport;
use iced_wgpu::primitive;
use iced_wgpu::wgpu;
use roomrtc_media::frame::{Plane, VideoFrame};

/// Size of the uniform: eight floats.
const UNIFORM_BYTES: usize = 32;

/// One picture to draw.
#[derive(Debug)]
pub(super) struct Picture {
    /// Names the slot; its textures are used again for the next picture.
    pub(super) slot: usize,
    /// Number of the picture within the slot.
    pub(super) sequence: u64,
    /// The picture.
    pub(super) frame: VideoFrame,
    /// The visible part around the centre, 0 to 1 each way.
    pub(super) crop: [f32; 2],
    /// Left and right swapped.
    pub(super) mirror: bool,
    /// Radius of the corners.
    pub(super) radius: f32,
}

/// What all pictures share, and each slot's textures.
pub(super) struct Pipeline {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    slots: HashMap<usize, Textures>,
}

struct Textures {
    size: (u32, u32),
    sequence: Option<u64>,
    planes: [wgpu::Texture; 3],
    uniform: wgpu::Buffer,
    group: wgpu::BindGroup,
    used: bool,
}

fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty,
        count: None,
    };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: true },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("video"),
        entries: &[
            entry(0, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
            entry(1, texture),
            entry(2, texture),
            entry(3, texture),
            entry(
                4,
                wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
            ),
        ],
    })
}

impl primitive::Pipeline for Pipeline {
    fn new(device: &wgpu::Device, _queue: &wgpu::Queue, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("video"),
            source: wgpu::ShaderSource::Wgsl(include_str!("shader.wgsl").into()),
        });
        let layout = bind_group_layout(device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("video"),
            bind_group_layouts: &[&layout],
            push_constant_ranges: &[],
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("video"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vertex"),
                buffers: &[],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..wgpu::PrimitiveState::default()
            },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fragment"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format,
                    blend: Some(wgpu::BlendState::ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..wgpu::SamplerDescriptor::default()
        });
        Pipeline {
            pipeline,
            layout,
            sampler,
            slots: HashMap::new(),
        }
    }

    fn trim(&mut self) {
        self.slots
            .retain(|_, textures| std::mem::take(&mut textures.used));
    }
}

impl Pipeline {
    fn textures(&self, device: &wgpu::Device, (width, height): (u32, u32)) -> Textures {
        let plane = |width, height| {
            device.create_texture(&wgpu::TextureDescriptor {
                label: Some("video plane"),
                size: wgpu::Extent3d {
                    width,
                    height,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::R8Unorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        };
        let planes = [
            plane(width, height),
            plane(width / 2, height / 2),
            plane(width / 2, height / 2),
        ];
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("video uniform"),
            size: UNIFORM_BYTES as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let views = [0, 1, 2].map(|i: usize| planes[i].create_view(&wgpu::TextureViewDescriptor::default()));
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("video"),
            layout: &self.layout,
            entries: &[
                entry(0, wgpu::BindingResource::Sampler(&self.sampler)),
                entry(1, wgpu::BindingResource::TextureView(&views[0])),
                entry(2, wgpu::BindingResource::TextureView(&views[1])),
                entry(3, wgpu::BindingResource::TextureView(&views[2])),
                entry(4, uniform.as_entire_binding()),
            ],
        });
        Textures {
            size: (width, height),
            sequence: None,
            planes,
            uniform,
            group,
            used: true,
        }
    }
}

/// Copies a plane into its texture, row length and all; nothing if it is shorter than it says.
fn upload(queue: &wgpu::Queue, texture: &wgpu::Texture, plane: Plane<'_>) {
    let (width, height) = (texture.width(), texture.height());
    let needed = plane.stride * (height as usize).saturating_sub(1) + width as usize;
    if plane.data.len() < needed || plane.stride < width as usize {
        return;
    }
    queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d::ZERO,
            aspect: wgpu::TextureAspect::All,
        },
        plane.data,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(plane.stride as u32),
            rows_per_image: Some(height),
        },
        wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
    );
}

impl primitive::Primitive for Picture {
    type Pipeline = Pipeline;

    fn prepare(
        &self,
        pipeline: &mut Pipeline,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        bounds: &Rectangle,
        viewport: &Viewport,
    ) {
        let size = (self.frame.width, self.frame.height);
        if size.0 < 2 || size.1 < 2 {
            return;
        }
        if pipeline.slots.get(&self.slot).is_none_or(|t| t.size != size) {
            let textures = pipeline.textures(device, size);
            pipeline.slots.insert(self.slot, textures);
        }
        let Some(textures) = pipeline.slots.get_mut(&self.slot) else {
            return;
        };
        textures.used = true;
        let scale = viewport.scale_factor();
        let mirror = if self.mirror { 1.0 } else { 0.0 };
        let floats = [
            bounds.width * scale,
            bounds.height * scale,
            self.radius * scale,
            mirror,
            self.crop[0],
            self.crop[1],
            0.0,
            0.0,
        ];
        let mut raw = [0; UNIFORM_BYTES];
        for (bytes, float) in raw.chunks_exact_mut(4).zip(floats) {
            bytes.copy_from_slice(&float.to_ne_bytes());
        }
        queue.write_buffer(&textures.uniform, 0, &raw);
        if textures.sequence != Some(self.sequence) {
            textures.sequence = Some(self.sequence);
            for (texture, plane) in textures.planes.iter().zip(self.frame.planes()) {
                upload(queue, texture, plane);
            }
        }
    }

    fn draw(&self, pipeline: &Pipeline, pass: &mut wgpu::RenderPass<'_>) -> bool {
        if let Some(textures) = pipeline.slots.get(&self.slot) {
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &textures.group, &[]);
            pass.draw(0..4, 0..1);
        }
        true
    }
}
