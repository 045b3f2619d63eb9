/* embed: the assembler reads the files, from the folder that make runs in. make knows that this file
 * depends on them. */
#include "daemon/http/embed.h"

#define EMBED(name, file)                                                                      \
	__asm__(".pushsection .rodata\n.global " #name "\n.global " #name "_end\n" #name ":\n" \
		".incbin \"" file "\"\n" #name "_end:\n.byte 0\n.popsection\n")

EMBED(embed_docs, "daemon/http/docs.html");
EMBED(embed_schemas, "daemon/http/schemas.json");
