// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"
#include <linux/bvec.h>
#include <linux/pipe_fs_i.h>
#include <linux/splice.h>

static void release_page(struct splice_pipe_desc *spd, unsigned int i)
{
	put_page(spd->pages[i]);
}

/*
 * splice(2) and sendfile(2) from a device: what copy_splice_read() is in later
 * kernels. The pages are there before the device is called. With
 * generic_file_splice_read() they are allocated while it copies, which it may do
 * with a spin lock held.
 */
__cold ssize_t lkm_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe,
			       size_t len, unsigned int flags)
{
	struct page *pages[PIPE_DEF_BUFFERS];
	struct partial_page partial[PIPE_DEF_BUFFERS] = {};
	struct bio_vec vecs[PIPE_DEF_BUFFERS];
	struct splice_pipe_desc spd = {
		.pages = pages,
		.partial = partial,
		.nr_pages_max = PIPE_DEF_BUFFERS,
		.ops = &nosteal_pipe_buf_ops,
		.spd_release = release_page,
	};
	unsigned int used = 0, count;
	struct iov_iter to;
	struct kiocb kiocb;
	ssize_t ret;

	if (!len)
		return 0;
	/* The caller has made sure that the pipe has room for `len`. */
	len = min_t(size_t, len, PIPE_DEF_BUFFERS * PAGE_SIZE);
	for (count = 0; count * PAGE_SIZE < len; count++) {
		pages[count] = alloc_page(GFP_USER);
		if (!pages[count])
			break;
		vecs[count].bv_page = pages[count];
		vecs[count].bv_offset = 0;
		vecs[count].bv_len = min_t(size_t, len - count * PAGE_SIZE, PAGE_SIZE);
	}
	len = min_t(size_t, len, count * PAGE_SIZE);
	ret = -ENOMEM;
	if (!len)
		goto out;

	iov_iter_bvec(&to, ITER_DEST, vecs, count, len);
	init_sync_kiocb(&kiocb, in);
	kiocb.ki_pos = *ppos;
	ret = call_read_iter(in, &kiocb, &to);
	if (ret <= 0)
		goto out;
	*ppos = kiocb.ki_pos;

	len = ret;
	for (used = 0; used * PAGE_SIZE < len; used++)
		partial[used].len = min_t(size_t, len - used * PAGE_SIZE, PAGE_SIZE);
	spd.nr_pages = used;
	ret = splice_to_pipe(pipe, &spd);
out:
	while (count > used)
		put_page(pages[--count]);
	return ret;
}
