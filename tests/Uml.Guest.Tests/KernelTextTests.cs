using Xunit;

namespace Uml.CI.Tests;

public sealed class KernelTextTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Text_is_found_also_across_the_pieces_a_file_is_read_in()
    {
        byte[] content = new byte[3 << 20];
        "/sbin/hotplug"u8.CopyTo(content.AsSpan((1 << 20) - 5));
        File.WriteAllBytes(_file, content);
        Assert.True(KernelText.Contains(_file, "/sbin/hotplug"u8));
        Assert.False(KernelText.Contains(_file, "time-travel=ext:"u8));
    }

    [Fact]
    public void A_file_is_read_again_only_when_it_is_another()
    {
        var written = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        Write("with words");
        Assert.True(KernelText.Contains(_file, "words"u8));
        Write("nothing at");
        Assert.True(KernelText.Contains(_file, "words"u8));
        Assert.True(KernelText.Contains(_file, "nothing"u8));

        Write("nothing at all");
        Assert.False(KernelText.Contains(_file, "words"u8));
        written = written.AddSeconds(1);
        Write("no, with words");
        Assert.True(KernelText.Contains(_file, "words"u8));

        File.Delete(_file);
        Assert.Throws<FileNotFoundException>(() => KernelText.Contains(_file, "words"u8));

        void Write(string text)
        {
            File.WriteAllText(_file, text);
            File.SetLastWriteTimeUtc(_file, written);
        }
    }
}
