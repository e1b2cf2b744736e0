using Xunit;

namespace InsideKernel;

/// <summary>Tests like any others: they know nothing of guests.</summary>
public sealed class FileTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("inside-kernel-");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void What_is_written_is_read()
    {
        string path = Path.Combine(_scratch.FullName, "file");

        File.WriteAllText(path, "content");

        Assert.Equal("content", File.ReadAllText(path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1 << 20)]
    public void A_file_is_as_long_as_it_is_made(long length)
    {
        using FileStream file = File.Create(Path.Combine(_scratch.FullName, "file"));

        file.SetLength(length);

        Assert.Equal(length, new FileInfo(file.Name).Length);
    }
}
