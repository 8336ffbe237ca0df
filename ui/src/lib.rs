//! The RoomRTC desktop client.
