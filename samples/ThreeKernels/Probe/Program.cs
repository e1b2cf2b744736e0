using SealedMemory;

var page = new SealedPage("content"u8);
Console.WriteLine($"sealed: {page.IsSealed}, first byte: {(char)page.Content[0]}, unmapped: {page.TryUnmap()}");
