using Xunit;

namespace Uml.CI.Wire.Tests;

public sealed class FrameTests
{
    [Fact]
    public void Checksum_is_the_Castagnoli_polynomial()
    {
        Assert.Equal(0xE3069283u, Frame.Crc32C("123456789"u8));
        Assert.Equal(0xE3069283u, Frame.Checksum("1234"u8, "56789"u8));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Frame.MaxPayload)]
    public void A_frame_comes_back_as_it_was_written(int size)
    {
        byte[] payload = Bytes(size, seed: 1);
        List<Copy> frames = ReadAll(new FrameReader(), Write(0, FrameType.Stdout, 0xFEDCBA98, payload));

        Copy frame = Assert.Single(frames);
        Assert.Equal(FrameType.Stdout, frame.Type);
        Assert.Equal(0xFEDCBA98, frame.Stream);
        Assert.Equal(payload, frame.Payload);
    }

    [Fact]
    public void A_type_this_version_does_not_know_is_handed_on()
    {
        Copy frame = Assert.Single(ReadAll(new FrameReader(), Write(0, (FrameType)255, 3, [])));
        Assert.Equal((FrameType)255, frame.Type);
    }

    [Fact]
    public void Too_large_a_payload_is_not_written()
    {
        var destination = new byte[Frame.HeaderSize + Frame.MaxPayload + 1];
        Assert.Throws<ArgumentException>(() => Frame.Write(destination, FrameType.Stdout, 1, 0, new byte[Frame.MaxPayload + 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Frame.WriteHeader(destination, FrameType.Stdout, 1, 0, Frame.MaxPayload + 1));
    }

    [Fact]
    public void Frames_may_arrive_byte_by_byte()
    {
        byte[] stream = Stream(20, seed: 2, out List<byte[]> payloads);
        var reader = new FrameReader();
        var frames = new List<Copy>();
        foreach (byte b in stream)
        {
            reader.GetSpan()[0] = b;
            reader.Advance(1);
            Drain(reader, frames);
        }

        AssertSame(payloads, frames);
        Assert.Equal((uint)stream.Length, reader.BytesTaken);
        Assert.Equal(0, reader.Pending);
    }

    [Fact]
    public void Frames_may_arrive_in_any_chunks()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            byte[] stream = Stream(30, seed, out List<byte[]> payloads);
            var reader = new FrameReader();
            var frames = new List<Copy>();
            for (int sent = 0; sent < stream.Length;)
            {
                Memory<byte> room = reader.GetMemory();
                Assert.False(room.IsEmpty);
                int count = Math.Min(Math.Min(room.Length, stream.Length - sent), random.Next(1, 1 << random.Next(1, 18)));
                stream.AsMemory(sent, count).CopyTo(room);
                reader.Advance(count);
                sent += count;
                Drain(reader, frames);
            }

            AssertSame(payloads, frames);
        }
    }

    [Fact]
    public void A_payload_stays_valid_while_more_frames_are_taken_from_what_arrived()
    {
        byte[] stream = [.. Write(0, FrameType.Stdout, 1, "first"u8), .. Write(1, FrameType.Stdout, 1, "second"u8)];
        var reader = new FrameReader();
        stream.CopyTo(reader.GetSpan());
        reader.Advance(stream.Length);

        Assert.True(reader.TryRead(out ReceivedFrame first));
        Assert.True(reader.TryRead(out ReceivedFrame second));
        Assert.Equal("first"u8, first.Payload.Span);
        Assert.Equal("second"u8, second.Payload.Span);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(300)]
    public void Damage_to_any_one_byte_is_found_without_waiting_for_more(int size)
    {
        byte[] good = Write(0, FrameType.Stdout, 1, Bytes(size, seed: 3));
        for (int offset = 0; offset < good.Length; offset++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] bad = [.. good];
                bad[offset] ^= (byte)(1 << bit);
                Assert.Throws<WireException>(() => ReadAll(new FrameReader(), bad));
            }

            byte[] inverted = [.. good];
            inverted[offset] ^= 0xFF;
            Assert.Throws<WireException>(() => ReadAll(new FrameReader(), inverted));
        }
    }

    [Fact]
    public void An_error_is_final()
    {
        byte[] bad = Write(0, FrameType.Stdout, 1, "abc"u8);
        bad[^1] ^= 1;
        var reader = new FrameReader();
        Assert.Throws<WireException>(() => ReadAll(reader, bad));
        Assert.Throws<WireException>(() => ReadAll(reader, Write(0, FrameType.Stdout, 1, "abc"u8)));
    }

    [Fact]
    public void A_truncated_frame_is_pending_and_the_frame_behind_it_is_refused()
    {
        byte[] frame = Write(0, FrameType.Stdout, 1, Bytes(100, seed: 4));
        for (int length = 0; length < frame.Length; length++)
        {
            var reader = new FrameReader();
            Assert.Empty(ReadAll(reader, frame.AsSpan(0, length)));
            Assert.Equal(length, reader.Pending);
            if (length > 0)
                Assert.Throws<WireException>(() => ReadAll(reader, Stream(20, seed: 4, out _)));
        }
    }

    [Fact]
    public void An_oversized_frame_is_refused_by_its_header()
    {
        byte[] frame = Write(0, FrameType.Stdout, 1, []);
        frame[14] ^= 1;
        frame[12] ^= 1;
        frame[3] = 0;
        frame[3] = Frame.HeaderCheck(frame);
        var error = Assert.Throws<WireException>(() => ReadAll(new FrameReader(), frame));
        Assert.Contains("65537 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_doubled_and_reordered_frames_are_refused()
    {
        byte[] first = Write(0, FrameType.Stdout, 1, "a"u8);
        byte[] second = Write(1, FrameType.Stdout, 1, "b"u8);
        byte[] third = Write(2, FrameType.Stdout, 1, "c"u8);

        Refused([.. first, .. third], "frame 2 arrived where frame 1 was due");
        Refused([.. first, .. first], "frame 0 arrived where frame 1 was due");
        Refused([.. first, .. third, .. second], "frame 2 arrived where frame 1 was due");
        Refused(second, "frame 1 arrived where frame 0 was due");
        Assert.Equal(3, ReadAll(new FrameReader(), [.. first, .. second, .. third]).Count);

        static void Refused(byte[] stream, string text) =>
            Assert.Contains(text, Assert.Throws<WireException>(() => ReadAll(new FrameReader(), stream)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_before_the_first_frame_is_refused_and_quoted()
    {
        byte[] stream = [.. "Kernel panic\n"u8, .. Write(0, FrameType.Hello, 0, [])];
        var error = Assert.Throws<WireException>(() => ReadAll(new FrameReader(), stream));
        Assert.Contains("\"Kernel panic.UM", error.Message, StringComparison.Ordinal);

        Assert.Throws<WireException>(() => ReadAll(new FrameReader(), "K"u8));
        Assert.Throws<WireException>(() => ReadAll(new FrameReader(), "UX"u8));
    }

    [Fact]
    public void Mutated_streams_end_in_frames_or_a_WireException()
    {
        // Whatever is done to a stream: an intact prefix of its frames comes out, and then nothing or an error.
        byte[] original = Stream(6, seed: 5, out List<byte[]> payloads, maximum: 40);
        var reader = new FrameReader();
        int refused = 0;
        for (int seed = 0; seed < 200_000; seed++)
        {
            var random = new Random(seed);
            byte[] mutated = Mutation.Apply(original, random);
            var frames = new List<Copy>();
            if (seed % 100 == 0 || reader.Pending > 0 || reader.BytesTaken > 0)
                reader = new FrameReader();
            try
            {
                ReadAll(reader, mutated, frames);
            }
            catch (WireException)
            {
                refused++;
            }

            Assert.True(frames.Count <= payloads.Count);
            for (int i = 0; i < frames.Count; i++)
                Assert.True(frames[i].Payload.AsSpan().SequenceEqual(payloads[i]), $"seed {seed}: frame {i} is not what was sent");
        }

        Assert.True(refused > 100_000, $"only {refused} streams were refused");
    }

    // Element by element, as Assert.Equal compares, takes most of a minute.
    private static void AssertSame(List<byte[]> payloads, List<Copy> frames)
    {
        Assert.Equal(payloads.Count, frames.Count);
        for (int i = 0; i < frames.Count; i++)
            Assert.True(frames[i].Payload.AsSpan().SequenceEqual(payloads[i]), $"frame {i} is not what was sent");
    }

    private static byte[] Bytes(int size, int seed)
    {
        var bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Write(uint sequence, FrameType type, uint stream, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[Frame.HeaderSize + payload.Length];
        Assert.Equal(frame.Length, Frame.Write(frame, type, stream, sequence, payload));
        return frame;
    }

    private static byte[] Stream(int frames, int seed, out List<byte[]> payloads, int maximum = Frame.MaxPayload)
    {
        var random = new Random(seed);
        var bytes = new MemoryStream();
        payloads = [];
        for (uint i = 0; i < frames; i++)
        {
            byte[] payload = Bytes(random.Next(3) == 0 ? maximum : random.Next(Math.Min(maximum, 64)), seed + (int)i);
            payloads.Add(payload);
            bytes.Write(Write(i, FrameType.Stdout, i, payload));
        }

        return bytes.ToArray();
    }

    private static List<Copy> ReadAll(FrameReader reader, ReadOnlySpan<byte> stream, List<Copy>? frames = null)
    {
        frames ??= [];
        while (!stream.IsEmpty)
        {
            Span<byte> room = reader.GetSpan();
            int count = Math.Min(room.Length, stream.Length);
            stream[..count].CopyTo(room);
            reader.Advance(count);
            stream = stream[count..];
            Drain(reader, frames);
        }

        return frames;
    }

    private static void Drain(FrameReader reader, List<Copy> frames)
    {
        while (reader.TryRead(out ReceivedFrame frame))
            frames.Add(new Copy(frame.Type, frame.Stream, frame.Payload.ToArray()));
    }

    private sealed record Copy(FrameType Type, uint Stream, byte[] Payload);
}
